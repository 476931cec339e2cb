package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"penstock/ops/settings"
	"penstock/schema"
)

func schemaCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Show what an event is, and let it grow",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(protoCommand(from, out), avroCommand(from, out), planCommand(from, out), applyCommand(from, out), showCommand(from, out))
	return cmd
}

func protoCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "proto",
		Short: "Print the .proto file that devices encode events by",
		Long: `Print the .proto file of the schema's event, for a topic whose kafka.encoding is protobuf. Field numbers are
the ids of the schema's fields: what is compiled of it can be read by nodes of any version of the schema, and
fields that a node's schema does not have yet are kept in extra, by their number.

Of the settings only the schema is used; nothing is reached.`,
		Example: `  ingest schema proto > telemetry.proto
  ingest schema proto --set schema=fleet.yaml > fleet.proto`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := openSchema(*from)
			if err != nil {
				return err
			}
			_, err = io.WriteString(out, s.Proto())
			return err
		},
	}
}

func avroCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "avro",
		Short: "Print an Avro schema that devices may write events by",
		Long: `Print an Avro schema of the event, for a topic whose kafka.encoding is avro. Register it, or give its file to
devices and nodes alike as kafka.avro_schema. Keep the file: Avro does not say by which schema a record was written,
so records written by this one are read by this one, also when the event has grown since.

Of the settings only the schema is used; nothing is reached.`,
		Example: `  ingest schema avro > telemetry.avsc
  ingest run --config ingest.yaml --set kafka.encoding=avro --set kafka.avro_schema=telemetry.avsc`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := openSchema(*from)
			if err != nil {
				return err
			}
			_, err = io.WriteString(out, s.Avro())
			return err
		},
	}
}

// openSchema returns the schema the settings name. Nothing else of them has to
// be there: who looks at the schema may have no Kafka and no ClickHouse.
func openSchema(from settings.Sources) (*schema.Schema, error) {
	type unchecked config // has no Validate
	cfg := defaults()
	cfg.Streams.Begin = cfg.beginStream
	if err := settings.Load((*unchecked)(&cfg), from); err != nil {
		return nil, fmt.Errorf("config:\n%w", err)
	}
	all, err := cfg.streams()
	if err != nil {
		return nil, err
	}
	one, err := single(all)
	if err != nil {
		return nil, err
	}
	return schema.Open(one.Schema)
}
