{{/* What makes a policy count. Call with (dict "root" $ "name" "lotse-…"), and "param" for the name of its parameter. */}}
{{- define "lotse.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels: {{ include "lotse.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
  {{- with .param }}
  paramRef: {name: {{ . }}, parameterNotFoundAction: Allow}
  {{- end }}
{{- end }}
