package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"penstock/ops/audit"
	"penstock/ops/settings"
	"penstock/pipeline"
	"penstock/schema"
)

func dlqCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dlq",
		Short: "Look at dead letters, and store those that can be stored now",
		Long: `A record that cannot be stored goes to the dead-letter topic as it was, with the reason and its coordinates.
These commands read it; only "replay" stores anything, and nothing ever changes a letter.`,
	}
	cmd.AddCommand(dlqLsCommand(from, out), dlqShowCommand(from, out), dlqReplayCommand(from, out))
	return cmd
}

// letterFlags choose letters.
type letterFlags struct {
	reasons           []string
	from, to          string
	device            string
	partition, offset int64
}

// unset is the default of flags of which every number from 0 on means something.
const unset = -1

func (f *letterFlags) add(flags *pflag.FlagSet) {
	var reasons []string
	for _, r := range schema.Reasons() {
		reasons = append(reasons, string(r))
	}
	flags.StringSliceVar(&f.reasons, "reason", nil, "only letters of this `reason`: "+strings.Join(reasons, ", ")+"; may be repeated")
	flags.StringVar(&f.from, "from", "", "only records that came to the topic at this `time` or later: 2026-11-22T13:00:00Z, a day, or a duration before now such as 90m")
	flags.StringVar(&f.to, "to", "", "only records that came before this `time`")
	flags.StringVar(&f.device, "device", "", "only records of this `device`, as far as their value can be read, or with it as their key")
	flags.Int64Var(&f.partition, "partition", unset, "only records of this `partition` of the topic")
	flags.Int64Var(&f.offset, "offset", unset, "only the record of this `offset` of the partition")
}

// filter checks the flags.
func (f *letterFlags) filter(now time.Time) (pipeline.LetterFilter, error) {
	filter := pipeline.LetterFilter{Device: f.device}
	var errs []error
	for _, r := range f.reasons {
		filter.Reasons = append(filter.Reasons, schema.Reason(r))
	}
	for _, end := range []struct {
		flag, text string
		last       bool
		at         *time.Time
	}{{"--from", f.from, false, &filter.From}, {"--to", f.to, true, &filter.To}} {
		if end.text == "" {
			continue
		}
		at, err := audit.ParseWhen(end.text, end.last, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", end.flag, err))
		}
		*end.at = at
	}
	if f.partition != unset {
		partition, err := toPartition(f.partition)
		if err != nil {
			errs = append(errs, fmt.Errorf("--partition: %w", err))
		}
		filter.Partition = &partition
	}
	if f.offset != unset {
		filter.Offset = &f.offset
	}
	return filter, errors.Join(append(errs, filter.Faults())...)
}

func toPartition(n int64) (int32, error) {
	if n < 0 || int64(int32(n)) != n {
		return 0, fmt.Errorf("%d is no number of a partition", n)
	}
	return int32(n), nil
}

// toCoordinates reads partition@offset.
func toCoordinates(text string) (partition int32, offset int64, err error) {
	p, o, ok := strings.Cut(text, "@")
	if ok {
		var n int64
		var errOffset error
		n, err = strconv.ParseInt(p, 10, 32)
		partition = int32(n)
		offset, errOffset = strconv.ParseInt(o, 10, 64)
		err = errors.Join(err, errOffset)
	}
	if !ok || err != nil || partition < 0 || offset < 0 {
		return 0, 0, fmt.Errorf("%q is no record; want <partition>@<offset>, such as 3@1041", text)
	}
	return partition, offset, nil
}

// openLetters loads what every one of the commands needs.
func openLetters(from settings.Sources) (pipeline.Config, *schema.Schema, error) {
	cfg, err := load(from)
	if err != nil {
		return pipeline.Config{}, nil, err
	}
	s, err := schema.Open(cfg.Schema)
	return cfg.Pipeline, s, err
}
