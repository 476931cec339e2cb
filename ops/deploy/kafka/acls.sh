#!/bin/sh
# What each program may do in Kafka, as a principal of its own. To be run once by who
# may, with the addresses and names of an installation:
#   BOOTSTRAP=kafka-1:9092 COMMAND_CONFIG=admin.properties sh acls.sh
# Why each right is needed: docs/privileges.md.
set -eu
BOOTSTRAP=${BOOTSTRAP:?host:port of a broker}
COMMAND_CONFIG=${COMMAND_CONFIG:?properties of a client that may change ACLs}
TOPIC=${TOPIC:-telemetry}
DEAD=${DEAD:-$TOPIC.dead}
GROUP=${GROUP:-penstock}

# allow PRINCIPAL RESOURCE NAME OPERATION...
allow() {
  principal=$1 resource=$2 name=$3
  shift 3
  for operation; do
    kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" \
      --add --allow-principal "User:$principal" "--$resource" "$name" --operation "$operation"
  done
}

# Nodes read, commit, and send dead letters, which their own audit reads. With
# enrich.topic they read that topic too: allow ingest topic devices Read.
allow ingest   topic "$TOPIC" Read
allow ingest   group "$GROUP" Read
allow ingest   topic "$DEAD"  Read Write
# The dead-letter topic is created; and a rollup that comes later is counted up to
# where the group is.
allow migrate  topic "$TOPIC" Describe
allow migrate  topic "$DEAD"  Create Describe
allow migrate  group "$GROUP" Describe
# Canaries are sent; how old what is not stored is, is seen by reading it.
allow watch    topic "$TOPIC" Read Write
allow watch    group "$GROUP" Describe
# An audit compares the topic with what is stored.
allow auditor  topic "$TOPIC" Read
allow auditor  topic "$DEAD"  Read
allow auditor  group "$GROUP" Describe
# A replay reads dead letters, and holds a group of its own so that it is alone.
allow replayer topic "$TOPIC" Read
allow replayer topic "$DEAD"  Read
allow replayer group "$GROUP" Describe
allow replayer group "$GROUP.replay" Read
