package main

import (
	"github.com/spf13/cobra"

	"penstock/ops/local/stackbench"
)

func benchStackCommand() *cobra.Command {
	cfg := stackbench.Default()
	var names []string
	var keep bool
	for _, p := range cfg.Phases {
		names = append(names, string(p))
	}
	cmd := &cobra.Command{
		Use:   "bench-stack",
		Short: "All of it at once: Kafka, ClickHouse, a node and a fleet, measured together",
		Long: `Bench-stack starts a Kafka with 8 partitions, ClickHouse and one ingest node with
default settings, and measures them under a fleet that shares the machine:

  latency      --latency-rate for --latency-hold: how soon a reading is visible
  throughput   --rate for --hold: is it held, how soon is a reading visible, what
               CPU each program takes, and does the number of parts stay flat
  backlog      --backlog-rate, and the node away for --outage: how fast it catches up
               while the fleet goes on, and whether its forecast was right
  fresh-first  the same with kafka.recovery fresh-first: how soon is a live reading
               visible while the backlog is worked off
  late-burst   --burst-live-rate, and others send --burst records that they kept for
               --offline: how soon is a live reading visible meanwhile
  tiering      --day-live-rate, and the compactor moves a cold day of --day-rows rows to
               Parquet on S3: how soon is a live reading visible meanwhile

Each phase ends with a proof of each device's exact set of readings. If anything
is missing, doubled or wrongly rejected its figures are void and the exit status
is 1. A rate that was not held is no error: held says so. No reading is late unless
--late is given: late ones are of five other days, and a batch is an insert a day.

The last line of standard output is one JSON object. events_per_second,
visible_p50_ms, visible_p99_ms, parts_start and parts_end are those of the phase
throughput; latency_p50_ms and latency_p99_ms those of the phase latency;
drain_over_live that of the phase backlog: rows stored a second while the node
caught up, over those that came; fresh_first_live_p50_ms and _p99_ms are those of the
worst two seconds meanwhile in the phase fresh-first, late_burst_live_... and tiering_live_...
likewise. The objects latency, throughput, backlog, fresh_first, late_burst and tiering
have all the rest. Keys of a phase that was not run are absent.

The programs read PENSTOCK_INGEST_... and PENSTOCK_LOADTEST_... as they always do, so
that other settings can be tried. The state folder is removed in the end if all
was well and none was given.`,
		Example: `  local bench-stack
  local bench-stack --phases throughput --rate 100000 --hold 1m
  PENSTOCK_INGEST_BATCH__AGE=300ms local bench-stack --phases latency`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Phases, err = stackbench.ParsePhases(names); err != nil {
				return err
			}
			if cfg.Bin, err = programs(cfg.Bin); err != nil {
				return err
			}
			cfg.Burst.Timeout, cfg.ColdDay.Timeout, cfg.Progress = cfg.Backlog.Timeout, cfg.Backlog.Timeout, cmd.ErrOrStderr()
			given, err := begin(cmd, &cfg.Stack, "bench-stack")
			if err != nil {
				return err
			}
			result, err := stackbench.Run(cmd.Context(), cfg)
			if result.Kafka == "" { // nothing was begun
				return err
			}
			return conclude(cmd, result, cfg.Stack.State, given || keep, err)
		},
	}
	f := cmd.Flags()
	stackFlags(f, &cfg.Stack, "bench-stack/<time>")
	f.StringVar(&cfg.Bin, "bin", "", "folder with the programs ingest, loadtest and compactor (default: bin in the repository)")
	f.StringSliceVar(&names, "phases", names, "the phases to run, separated by commas")
	f.IntVar(&cfg.Latency.Rate, "latency-rate", cfg.Latency.Rate, "records a second of the phase latency")
	f.DurationVar(&cfg.Latency.Hold, "latency-hold", cfg.Latency.Hold, "how long it is held")
	f.IntVar(&cfg.Throughput.Rate, "rate", cfg.Throughput.Rate, "records a second of the phase throughput")
	f.DurationVar(&cfg.Throughput.Hold, "hold", cfg.Throughput.Hold, "how long it is held")
	f.IntVar(&cfg.Backlog.Rate, "backlog-rate", cfg.Backlog.Rate, "records a second of the phases backlog and fresh-first")
	f.DurationVar(&cfg.Backlog.Before, "backlog-before", cfg.Backlog.Before, "how long the node is there before it goes away")
	f.DurationVar(&cfg.Backlog.Outage, "outage", cfg.Backlog.Outage, "how long the node is away")
	f.DurationVar(&cfg.Backlog.Timeout, "catch-up-timeout", cfg.Backlog.Timeout, "how long catching up may take, also after the burst, and moving a day")
	f.IntVar(&cfg.Burst.Rate, "burst-live-rate", cfg.Burst.Rate, "records a second of the phase late-burst, beside the burst")
	f.DurationVar(&cfg.Burst.Before, "burst-before", cfg.Burst.Before, "how long they are sent alone")
	f.IntVar(&cfg.Burst.Records, "burst", cfg.Burst.Records, "records that were kept")
	f.DurationVar(&cfg.Burst.Offline, "offline", cfg.Burst.Offline, "for how long they were")
	f.IntVar(&cfg.Burst.Pace, "burst-pace", cfg.Burst.Pace, "how many of them a second are sent then")
	f.IntVar(&cfg.ColdDay.Rate, "day-live-rate", cfg.ColdDay.Rate, "records a second of the phase tiering, beside the day that moves")
	f.DurationVar(&cfg.ColdDay.Before, "day-before", cfg.ColdDay.Before, "how long they are sent before")
	f.IntVar(&cfg.ColdDay.Rows, "day-rows", cfg.ColdDay.Rows, "rows of the day that moves")
	f.DurationVar(&cfg.WarmUp, "warm-up", cfg.WarmUp, "beginning of a phase in which CPU and parts are not counted")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet")
	f.Float64Var(&cfg.Shares.Resend, "resend", cfg.Shares.Resend, "share of records sent a second time")
	f.Float64Var(&cfg.Shares.Late, "late", cfg.Shares.Late, "share of readings up to 40 days old, of five days")
	f.Float64Var(&cfg.Shares.Malformed, "malformed", cfg.Shares.Malformed, "share of records that have to be rejected")
	f.StringVar(&cfg.Recovery, "recovery", "", "the node's kafka.recovery, but in the phase fresh-first (default: the node's own)")
	f.DurationVar(&cfg.ProgressEvery, "progress-every", cfg.ProgressEvery, "time between two lines of progress")
	f.BoolVar(&keep, "keep", false, "keep the state folder though all was well")
	return cmd
}
