{{- /*
What a config lacks, or says that is the chart's to say, all at once. Nothing is
left to be found by a pod that does not start.
*/ -}}
{{- define "penstock.faults" -}}
{{- $faults := list -}}
{{- $v := .Values -}}
{{- if not $v.admin.tokenSecret.name -}}
{{- $faults = append $faults "admin.tokenSecret.name is empty; make a Secret with a random token, and name it: the pages of a node are not for everybody in the cluster" -}}
{{- end -}}
{{- if not (dig "kafka" "brokers" list $v.config) -}}
{{- $faults = append $faults "config.kafka.brokers is empty; name at least one, such as [kafka-1:9092]" -}}
{{- end -}}
{{- if not (or (dig "kafka" "topic" "" $v.config) (dig "streams" dict $v.config)) -}}
{{- $faults = append $faults "config.kafka.topic is empty; name the topic the devices send to, or streams" -}}
{{- end -}}
{{- if not (or (dig "clickhouse" "addr" "" $v.config) (dig "clickhouse" "shards" list $v.config)) -}}
{{- $faults = append $faults "config.clickhouse.addr is empty; want host:port of the native protocol, such as clickhouse-1:9000, or config.clickhouse.shards" -}}
{{- end -}}
{{- range $key, $instead := dict "admin" "admin" "lanes" "ingest.cores" "memory" "ingest.memory" "stop_timeout" "ingest.stopTimeout" "scaling" "scale" "watch" "watch" -}}
{{- if hasKey $v.config $key -}}
{{- $faults = append $faults (printf "config.%s is the chart's to set; see %s in values.yaml" $key $instead) -}}
{{- end -}}
{{- end -}}
{{- range $key, $instead := dict "nodes" "" "min" "scale.min" "max" "scale.max" "addr" "" "grpc" "" "cores" "ingest.cores" -}}
{{- if hasKey $v.scale.settings $key -}}
{{- $faults = append $faults (printf "scale.settings.%s is the chart's to set%s" $key (ternary (printf "; see %s" $instead) "" (ne $instead ""))) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $v.watch.settings "addr" -}}
{{- $faults = append $faults "watch.settings.addr is the chart's to set" -}}
{{- end -}}
{{- if and $v.scale.enabled (gt (int $v.scale.min) (int $v.scale.max)) -}}
{{- $faults = append $faults (printf "scale.min is %d and scale.max %d; want at most as many" (int $v.scale.min) (int $v.scale.max)) -}}
{{- end -}}
{{- if and $v.scale.enabled (gt (len (dig "streams" dict $v.config)) 1) -}}
{{- $faults = append $faults "scale is enabled and config.streams has several; a group is scaled by one stream: install the chart once for each" -}}
{{- end -}}
{{- if $v.compactor.enabled -}}
{{- range $key, $instead := dict "admin" "admin" "max_memory" "compactor.memory" "spool_dir" "compactor.spool" -}}
{{- if hasKey $v.compactor.config $key -}}
{{- $faults = append $faults (printf "compactor.config.%s is the chart's to set; see %s in values.yaml" $key $instead) -}}
{{- end -}}
{{- end -}}
{{- if not (or (dig "clickhouse" "addr" "" $v.compactor.config) (dig "tables" dict $v.compactor.config)) -}}
{{- $faults = append $faults "compactor.config.clickhouse.addr is empty; want host:port of the native protocol, such as clickhouse-1:9000" -}}
{{- end -}}
{{- if not (dig "s3" "bucket" "" $v.compactor.config) -}}
{{- $faults = append $faults "compactor.config.s3.bucket is empty; name the bucket of the cold tier" -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "values:\n  %s" (join "\n  " $faults)) -}}
{{- end -}}
{{- end -}}

{{- /* ingest.yaml: of the nodes, and of all other commands of ingest. */ -}}
{{- define "penstock.ingestConfig" -}}
{{- $v := .Values -}}
{{- $own := dict
  "lanes" (div (add $v.ingest.cores 1) 2)
  "memory" (printf "%dMiB" (int $v.ingest.memory))
  "stop_timeout" (printf "%ds" (int $v.ingest.stopTimeout))
  "admin" (include "penstock.admin" (dict "root" . "port" 9464) | fromYaml) -}}
{{- if $v.scale.enabled -}}
{{- $_ := set $own "scaling" (merge (dict
  "nodes" (list (printf "%s:9464" (include "penstock.name" (dict "root" . "part" "ingest"))))
  "cores" (int $v.ingest.cores)
  "min" (int $v.scale.min)
  "max" (int $v.scale.max)
  "addr" ":9467"
  "grpc" ":9466") (deepCopy $v.scale.settings)) -}}
{{- end -}}
{{- if $v.watch.enabled -}}
{{- /* Without a compactor every day stays in ClickHouse alone. */ -}}
{{- $due := $v.compactor.enabled | ternary dict (dict "day_due" "0s") -}}
{{- $_ := set $own "watch" (merge (dict "addr" ":9468") (deepCopy $v.watch.settings) $due) -}}
{{- end -}}
{{- toYaml (merge $own (deepCopy $v.config)) -}}
{{- end -}}

{{- define "penstock.compactorConfig" -}}
{{- $v := .Values -}}
{{- toYaml (merge (dict
  "max_memory" (printf "%dMiB" (int $v.compactor.memory))
  "spool_dir" "/spool"
  "admin" (include "penstock.admin" (dict "root" . "port" 9465) | fromYaml)) (deepCopy $v.compactor.config)) -}}
{{- end -}}
