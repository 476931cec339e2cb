package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"penstock/ops/sizing"
	"penstock/ops/sizing/drill"
)

// planned is what loadtest plan finds.
type planned struct {
	*sizing.Plan
	Days []drill.Day `json:"days"`
}

func planCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plan",
		Short: "Say what a load takes, and play an outage of it",
		Long: `Say how many partitions, brokers, nodes and ClickHouse shards a load takes, what lies on disks and on S3, and what
that costs, each with its formula. Formulas are made of what was measured on two cores; where the plan leaves that range it
says so. Then a day of that system is played second by second, with an outage at its peak and the scaler that ships, once
for each part that --drill names. It exits with 1 if the system does not catch up within the day.

Figures and prices of your own are files of lines "name: value", with the names that the output has.
` + aboutEnv,
		Example: `  loadtest plan --rate 1000000 --size 500 --retention kafka=7,hot=30,cold=365
  loadtest plan --rate 20000 --node-cores 4 --prices mine.yaml --drill none --json -
  loadtest plan --rate 200000 --drill clickhouse --outage 1h --markdown > sizing.md`,
		Args: cobra.NoArgs,
	}
	in, f := sizing.DefaultInput(), c.Flags()
	f.Float64Var(&in.Rate, "rate", in.Rate, "events a second, as the mean of a day")
	f.Float64Var(&in.Peak, "peak", in.Peak, "times that in the busiest moment")
	f.Float64Var(&in.Size, "size", in.Size, "bytes of an event as JSON; with protobuf too")
	f.StringVar((*string)(&in.Encoding), "encoding", string(in.Encoding), "json or protobuf")
	f.Float64Var(&in.Devices, "devices", in.Devices, "that send")
	retention := f.StringToInt("retention", map[string]int{}, fmt.Sprintf("days kept in each place (default kafka=%v,hot=%v,cold=%v)", in.KafkaDays, in.HotDays, in.ColdDays))
	f.Float64Var(&in.KafkaReplicas, "kafka-replicas", in.KafkaReplicas, "of each partition")
	f.Float64Var(&in.ClickHouseReplicas, "clickhouse-replicas", in.ClickHouseReplicas, "of each shard")
	f.DurationVar(&in.Outage, "outage", in.Outage, "for which everything may be away at the peak")
	f.DurationVar(&in.Drain, "drain", in.Drain, "time in which that is to be caught up with")
	f.Float64Var(&in.Headroom, "headroom", in.Headroom, "share of CPU and network that is planned with")
	f.Float64Var(&in.DiskFill, "disk-fill", in.DiskFill, "share of a disk that is used")
	f.Float64Var(&in.Queries, "queries", in.Queries, "share of ClickHouse's cores for analysts")
	f.Float64Var(&in.NodeCores, "node-cores", in.NodeCores, "cores of a node of ingest")
	f.Float64Var(&in.BrokerCores, "broker-cores", in.BrokerCores, "cores of a Kafka broker")
	f.Float64Var(&in.ServerCores, "server-cores", in.ServerCores, "cores of a ClickHouse server")
	brokerDisk := f.Float64("broker-disk-tb", in.BrokerDisk/1e12, "disk of a broker")
	serverDisk := f.Float64("server-disk-tb", in.ServerDisk/1e12, "disk of a ClickHouse server")
	f.Float64Var(&in.CoreMemory, "core-memory", in.CoreMemory, "GiB a core of brokers and servers")
	network := f.Float64("network-gbit", in.Network*8/1e9, "Gbit/s of a machine's network")
	f.Float64Var(&in.Zones, "zones", in.Zones, "over which all is spread")
	f.DurationVar(&in.BatchAge, "batch-age", in.BatchAge, "the nodes' batch.age")
	f.DurationVar(&in.MoveTime, "move-time", in.MoveTime, "time in which a day is to be moved to S3")
	figures := f.String("figures", "", "file of measured figures of your own")
	prices := f.String("prices", "", "file of prices of your own")
	away := f.StringSlice("drill", []string{string(drill.ClickHouse), string(drill.Ingest)}, "what is away, a day for each: clickhouse, ingest; or none")
	markdown := f.Bool("markdown", false, "print it as Markdown")
	out := jsonFlag(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := fromEnv(c, os.Environ()); err != nil {
			return err
		}
		in.BrokerDisk, in.ServerDisk, in.Network = *brokerDisk*1e12, *serverDisk*1e12, *network*1e9/8
		if err := retain(&in, *retention); err != nil {
			return err
		}
		parts, err := outages(*away)
		if err != nil {
			return err
		}
		p, err := makePlan(in, *figures, *prices, parts)
		if err != nil {
			return err
		}
		switch {
		case *out == "-": // nothing but the JSON
		case *markdown:
			p.markdown(c.OutOrStdout())
		default:
			p.text(c.OutOrStdout())
		}
		return report(p, p.fault(), *out)
	}
	return c
}

// retain sets the days that are named.
func retain(in *sizing.Input, days map[string]int) error {
	places := map[string]*float64{"kafka": &in.KafkaDays, "hot": &in.HotDays, "cold": &in.ColdDays}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(days)) {
		place, ok := places[name]
		if !ok {
			errs = append(errs, fmt.Errorf("retention %s=%d: there is no such place; want kafka, hot or cold", name, days[name]))
			continue
		}
		*place = float64(days[name])
	}
	return errors.Join(errs...)
}

// outages are the parts that are named; none names no part.
func outages(names []string) (parts []drill.Part, err error) {
	var errs []error
	for _, name := range names {
		switch part := drill.Part(name); {
		case part == drill.ClickHouse || part == drill.Ingest:
			parts = append(parts, part)
		case name != "none":
			errs = append(errs, fmt.Errorf("drill %q: want clickhouse, ingest or none", name))
		}
	}
	return parts, errors.Join(errs...)
}

func makePlan(in sizing.Input, figures, prices string, parts []drill.Part) (planned, error) {
	f := sizing.DefaultFigures()
	if err := errors.Join(override(f.Measured, figures), override(f.Prices, prices)); err != nil {
		return planned{}, err
	}
	p, err := sizing.New(in, f)
	if err != nil {
		return planned{}, err
	}
	out := planned{Plan: p, Days: []drill.Day{}}
	for _, part := range parts {
		out.Days = append(out.Days, drill.Play(drill.FromPlan(p), drill.AtPeak(part, in.Outage)))
	}
	return out, nil
}

func override(table []sizing.Figure, path string) error {
	if path == "" {
		return nil
	}
	return sizing.Override(table, path)
}

func (p planned) text(w io.Writer) {
	p.Text(w)
	for _, d := range p.Days {
		fmt.Fprintln(w)
		d.Text(w)
	}
}

func (p planned) markdown(w io.Writer) {
	p.Markdown(w)
	for _, d := range p.Days {
		fmt.Fprintf(w, "\n### %s\n\n%s\n\n```\n", d.Title(), d.Verdict)
		d.Text(w)
		fmt.Fprint(w, "```\n")
	}
}

// fault says of which outages the system does not come back.
func (p planned) fault() error {
	var bad []string
	for _, d := range p.Days {
		if !d.Verdict.Recovered || !d.Verdict.Safe {
			bad = append(bad, fmt.Sprintf("%s is away", d.Away))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("the system does not catch up in a day in which %s; lower --drain or --headroom, or shorten --outage", strings.Join(bad, ", or "))
}
