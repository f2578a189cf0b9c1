{{- define "lotse.labels" -}}
app.kubernetes.io/name: lotse
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image by digest or tag. Call with (dict "root" $ "image" .Values.….image). */}}
{{- define "lotse.image" -}}
{{- $registry := .root.Values.imageRegistry | trimSuffix "/" -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "lotse.sidecarImage" -}}
{{- include "lotse.image" (dict "root" . "image" .Values.sidecar.image) }}
{{- end }}

{{/* The arguments that the injector gives to sidecars; the guards ask for exactly these. */}}
{{- define "lotse.sidecarArguments" -}}
['run', '--operator', 'https://lotse-controller.{{ .Release.Namespace }}.svc:14443', '--operator-ca', '/var/run/lotse/ca.crt', '--token', '/var/run/lotse/token', '--probes', '[::]:14190', '--root-namespace', '{{ .Release.Namespace }}']
{{- end }}

{{- define "lotse.credentialNamespaces" -}}
{{- join "," (.Values.credentialNamespaces | default (list .Release.Namespace)) }}
{{- end }}

{{- define "lotse.excludedNamespaces" -}}
{{- toJson (concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.injector.excludedNamespaces | uniq) }}
{{- end }}

{{/* What both programs' pods have in common. Call with (dict "root" $ "part" "controller" "values" .Values.controller). */}}
{{- define "lotse.podDefaults" -}}
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
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/instance: {{ $.root.Release.Name }}
        app.kubernetes.io/component: {{ $.part }}
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
