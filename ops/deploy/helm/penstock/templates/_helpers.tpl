{{- define "penstock.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The rest takes a dict of root, the chart's own scope, and part, such as ingest. */ -}}

{{- define "penstock.name" -}}
{{- include "penstock.fullname" .root }}-{{ .part -}}
{{- end -}}

{{- define "penstock.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "penstock.metadata" -}}
name: {{ include "penstock.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "penstock.labels" . | nindent 2 }}
{{- end -}}

{{- define "penstock.image" -}}
{{- $i := .Values.image -}}
{{- if $i.digest -}}
{{ $i.repository }}@{{ $i.digest }}
{{- else -}}
{{ $i.repository }}:{{ default .Chart.AppVersion $i.tag }}
{{- end -}}
{{- end -}}

{{- define "penstock.account" -}}
{{- default (include "penstock.name" .) (index .root.Values .part).serviceAccount.name -}}
{{- end -}}

{{- /* What every container may not do. */ -}}
{{- define "penstock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "penstock.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* The settings of admin, on all addresses at the port. */ -}}
{{- define "penstock.admin" -}}
addr: ":{{ .port }}"
pprof: {{ .root.Values.admin.pprof }}
token_file: /secrets/admin/token
{{- end -}}

{{- /*
The variables of a part. The links that Kubernetes sets for services are switched
off beside it (enableServiceLinks): the service penstock-ingest would be
PENSTOCK_INGEST_SERVICE_HOST, which is no setting, and the program refuses to start.
*/ -}}
{{- define "penstock.env" -}}
{{- $part := index .root.Values .part -}}
{{- range $name, $value := $part.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $from := $part.secretEnv }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.name }}
      key: {{ $from.key }}
{{- end }}
{{- end -}}

{{- /*
Secrets are beside the config, not below it: below a volume that is read-only no
other can be mounted. The group that may read them is the pod's (fsGroup).
*/ -}}
{{- define "penstock.mounts" -}}
- {name: config, mountPath: /etc/penstock, readOnly: true}
- {name: admin, mountPath: /secrets/admin, readOnly: true}
{{- range (index .root.Values .part).secretFiles }}
- {name: secret-{{ . }}, mountPath: /secrets/{{ . }}, readOnly: true}
{{- end }}
{{- end -}}

{{- define "penstock.volumes" -}}
- name: config
  configMap:
    {{- /* scale and watch read what the nodes read. */}}
    name: {{ include "penstock.name" (dict "root" .root "part" (has .part (list "scale" "watch") | ternary "ingest" .part)) }}
- name: admin
  secret:
    secretName: {{ .root.Values.admin.tokenSecret.name }}
    defaultMode: 0440
    items:
      - key: {{ .root.Values.admin.tokenSecret.key }}
        path: token
{{- range (index .root.Values .part).secretFiles }}
- name: secret-{{ . }}
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- /*
Alive: it answers. Ready: it does its work. A program that is not ready is never
killed for it: what it waits for, ClickHouse most often, is not mended by a restart.
*/ -}}
{{- define "penstock.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{- define "penstock.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "penstock.spread" -}}
{{- $of := . -}}
{{- with (index .root.Values .part).topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "penstock.selector" $of | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Cores, MiB and whether CPU is limited, as resources. */ -}}
{{- define "penstock.resources" -}}
requests:
  cpu: {{ .cores }}
  memory: {{ div (mul .memory 5) 4 }}Mi
limits:
  {{- if .cpuLimit }}
  cpu: {{ .cores }}
  {{- end }}
  memory: {{ div (mul .memory 5) 4 }}Mi
{{- end -}}
