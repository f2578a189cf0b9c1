{{/* Labels of everything. commonLabels can't take ours away: selectors and people lean on them. */}}
{{- define "lotse.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "lotse"
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version) }}
{{- toYaml (merge $own .Values.commonLabels) }}
{{- end }}

{{/* What finds the pods of one Deployment. Call with (dict "root" $ "part" "controller"). */}}
{{- define "lotse.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{/* An image by digest or tag. Call with (dict "root" $ "image" .Values.….image). */}}
{{- define "lotse.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.global.imageRegistry -}}
{{- $host := first (splitList "/" $repository) -}}
{{- /* As image names are read: the first part is a host if it has a dot or a port, or is localhost. */ -}}
{{- if or (contains "." $host) (contains ":" $host) (eq $host "localhost") -}}
{{- $repository = trimPrefix (printf "%s/" $host) $repository -}}
{{- end -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) $repository -}}
{{- end -}}
{{ $repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "lotse.sidecarImage" -}}
{{- include "lotse.image" (dict "root" . "image" .Values.sidecar.image) }}
{{- end }}

{{/* The arguments that the injector gives to sidecars (operator/src/inject/container.rs); the guards ask for exactly these.
     A list in JSON, which is a list in CEL too. */}}
{{- define "lotse.sidecarArguments" -}}
{{- list "run"
  "--operator" (printf "https://lotse-controller.%s.svc:14443" .Release.Namespace)
  "--operator-ca" "/var/run/lotse/ca.crt"
  "--token" "/var/run/lotse/token"
  "--probes" "[::]:14190"
  "--root-namespace" .Release.Namespace | toJson }}
{{- end }}

{{- define "lotse.credentialNamespaces" -}}
{{- join "," (.Values.credentialNamespaces | default (list .Release.Namespace)) }}
{{- end }}

{{/* Namespaces that the cluster, or this release, needs to come up. */}}
{{- define "lotse.systemNamespaces" -}}
{{- toJson (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace | uniq) }}
{{- end }}

{{- define "lotse.excludedNamespaces" -}}
{{- toJson (concat (include "lotse.systemNamespaces" . | fromJsonArray) .Values.injector.excludedNamespaces | uniq) }}
{{- end }}

{{/* What both programs' pods have in common. Call with (dict "root" $ "part" "controller" "values" .Values.controller). */}}
{{- define "lotse.podDefaults" -}}
automountServiceAccountToken: true
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
topologySpreadConstraints:
  {{- with .values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
  {{- else }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "lotse.selector" $ | nindent 8 }}
  {{- end }}
  {{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "lotse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "lotse.probes" -}}
livenessProbe:
  httpGet: {path: /livez, port: probes}
  periodSeconds: 20
readinessProbe:
  httpGet: {path: /readyz, port: probes}
  periodSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* Whether objects of the Prometheus operator are rendered: "yes" or nothing. Call with (dict "root" $ "kind" "PodMonitor"). */}}
{{- define "lotse.monitors" -}}
{{- $monitoring := .root.Values.monitoring }}
{{- $there := .root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind) }}
{{- if and (eq $monitoring.renderMode "failIfMissing") (not $there) }}
{{- fail (printf "monitoring.renderMode is failIfMissing, and the cluster has no %s; install the Prometheus operator first" .kind) }}
{{- end }}
{{- if or $there (eq $monitoring.renderMode "alwaysRender") }}yes{{ end }}
{{- end }}
