// Command loadtest sends a fleet's telemetry to Kafka, measures how soon it is
// visible in ClickHouse, and proves that all of it arrived. It also plans what a load
// takes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"penstock/loadtest"
	"penstock/loadtest/gate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		os.Exit(gate.ExitStatus(err))
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "loadtest",
		Short:         "Send a fleet's telemetry and prove that it arrived",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), verifyCommand(), preloadCommand(), planCommand(), gateCommand(), scenariosCommand())
	return root
}

func runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Send at a constant rate, measure visibility, verify",
		Long: `Send telemetry of a fleet at a constant open-loop rate, measure how long each reading takes from its
intended send time until a query finds it, and prove in the end that each device's exact set of
sequence numbers is stored and every malformed record is dead-lettered.

With --upgrade-share a part of the devices gets new firmware while the run lasts, and sends fields that no
device has sent before. Each value of each of them is proven too: by the name of the field where the table has
a column of it, and from extra where not.

The first interrupt ends the sending and verifies what was sent; a second one ends the program.
It exits with 1 if anything is missing, duplicated, or not rejected as it has to be.
` + aboutEnv,
		Example: `  loadtest run --brokers 127.0.0.1:9092 --clickhouse 127.0.0.1:9000 --rate 20000 --duration 20s --json -
  loadtest run --brokers 127.0.0.1:9092 --clickhouse 127.0.0.1:9000 --duration 1m --upgrade-share 0.5 --upgrade-after 20s`,
		Args: cobra.NoArgs,
	}
	cfg, f := loadtest.DefaultConfig(), c.Flags()
	targetFlags(f, &cfg)
	f.StringVar((*string)(&cfg.Encoding), "encoding", string(cfg.Encoding), "how events are written: json or protobuf")
	f.StringVar(&cfg.Run, "run", cfg.Run, "name of this run, part of every device id")
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "decides what is sent")
	f.Float64Var(&cfg.Rate, "rate", cfg.Rate, "records a second, of all kinds")
	f.DurationVar(&cfg.Duration, "duration", cfg.Duration, "how long to send; 0: until interrupted")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet")
	f.Float64Var(&cfg.Shares.Resend, "resend", cfg.Shares.Resend, "share of records sent a second time")
	f.Float64Var(&cfg.Shares.Late, "late", cfg.Shares.Late, "share of readings up to 40 days old")
	f.Float64Var(&cfg.Shares.Malformed, "malformed", cfg.Shares.Malformed, "share of records that have to be rejected")
	f.Float64Var(&cfg.Upgrade.Share, "upgrade-share", cfg.Upgrade.Share, "share of the devices that get new firmware while the run lasts, which sends new fields")
	f.DurationVar(&cfg.Upgrade.After, "upgrade-after", cfg.Upgrade.After, "how long after the start they have it")
	f.IntVar(&cfg.Upgrade.Fields, "upgrade-fields", cfg.Upgrade.Fields, "how many new fields it sends: noise_db, fan_rpm, door_state, ...")
	f.DurationVar(&cfg.PollEvery, "poll-every", cfg.PollEvery, "how often ClickHouse is asked what has become visible")
	f.DurationVar(&cfg.Intervals, "intervals", cfg.Intervals, "tell visibility apart by parts of the run of this length; 0: do not")
	f.DurationVar(&cfg.VerifyTimeout, "verify-timeout", cfg.VerifyTimeout, "how long the last record may take to arrive; 0: verify nothing")
	f.BoolVar(&cfg.AllowDuplicates, "allow-duplicates", cfg.AllowDuplicates, "report duplicates without failing for them")
	f.StringVar(&cfg.State, "state", cfg.State, "file to leave what has to be stored in, for loadtest verify")
	f.DurationVar(&cfg.ProgressEvery, "progress-every", cfg.ProgressEvery, "time between two progress lines")
	out := jsonFlag(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := fromEnv(c, os.Environ()); err != nil {
			return err
		}
		r, err := loadtest.Run(c.Context(), cfg, loadtest.Output{Writer: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))})
		if r.Run == "" { // there was no run
			return err
		}
		fmt.Fprint(os.Stderr, r)
		return report(r, err, *out)
	}
	return c
}

func verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove an earlier run again",
		Long: `Prove again that each device's exact set of sequence numbers is stored, from the state an earlier run left:
later, or after tiering has moved some of its days to Parquet.
` + aboutEnv,
		Example: `  loadtest verify --state run.json --clickhouse 127.0.0.1:9000 --table telemetry_all`,
		Args:    cobra.NoArgs,
	}
	cfg, f := loadtest.DefaultConfig().ClickHouse, c.Flags()
	clickHouseFlags(f, &cfg)
	state := f.String("state", "", "file the run left with --state")
	allowDuplicates := f.Bool("allow-duplicates", false, "report duplicates without failing for them")
	out := jsonFlag(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := fromEnv(c, os.Environ()); err != nil {
			return err
		}
		sent, err := loadtest.LoadSent(*state)
		if err != nil {
			return err
		}
		v, err := loadtest.Verify(c.Context(), cfg, sent, *allowDuplicates)
		if v.Run == "" { // ClickHouse was not reached
			return err
		}
		fmt.Fprint(os.Stderr, v)
		return report(v, err, *out)
	}
	return c
}

func preloadCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "preload",
		Short: "Fill a topic as fast as possible",
		Long: `Fill a topic as fast as possible with what a fleet would have sent until now, lz4-compressed in batches
of about a megabyte, and tell what was written: records, rows that have to be stored, offsets of each partition.
It is what a backlog of a known content is made of. If others write to the topic meanwhile, the offsets hold theirs.

With --offline it is what devices kept while they had no network, and send now: an hour of it is --count over 3600
for --rate. --pace bounds how fast they do.
` + aboutEnv,
		Example: `  loadtest preload --brokers 127.0.0.1:9092 --topic telemetry --count 3000000 --json -
  loadtest preload --brokers 127.0.0.1:9092 --count 2000000 --rate 555 --offline --pace 100000   # offline for an hour`,
		Args: cobra.NoArgs,
	}
	cfg, f := loadtest.DefaultPreload(), c.Flags()
	f.StringSliceVar(&cfg.Brokers, "brokers", cfg.Brokers, "Kafka brokers, host:port, separated by commas")
	securityFlags(f, "kafka", &cfg.Security)
	f.StringVar(&cfg.Topic, "topic", cfg.Topic, "topic to fill; it has to exist")
	f.StringVar((*string)(&cfg.Encoding), "encoding", string(cfg.Encoding), "how events are written: json or protobuf")
	f.StringVar(&cfg.Key, "key", cfg.Key, "key of all records, so that they share a partition (default: the device id)")
	f.IntVar(&cfg.Records, "count", cfg.Records, "records of all kinds")
	f.Float64Var(&cfg.Rate, "rate", cfg.Rate, "records a second of the fleet's time: decides their timestamps")
	f.BoolVar(&cfg.Offline, "offline", cfg.Offline, "Kafka's timestamps are those of sending, and not the fleet's time")
	f.IntVar(&cfg.Pace, "pace", cfg.Pace, "records sent a second at most; 0: as many as can be")
	f.StringVar(&cfg.Run, "run", cfg.Run, "name of this run, part of every device id")
	f.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "decides what is sent")
	f.IntVar(&cfg.Devices, "devices", cfg.Devices, "size of the fleet")
	f.Float64Var(&cfg.Shares.Resend, "resend", 0, "share of records sent a second time")
	f.Float64Var(&cfg.Shares.Late, "late", 0, "share of readings up to 40 days old")
	f.Float64Var(&cfg.Shares.Malformed, "malformed", 0, "share of records that have to be rejected")
	out := jsonFlag(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := fromEnv(c, os.Environ()); err != nil {
			return err
		}
		p, err := loadtest.Preload(c.Context(), cfg)
		if p.Records == 0 { // nothing was sent
			return err
		}
		fmt.Fprint(os.Stderr, p)
		return report(p, err, *out)
	}
	return c
}

// targetFlags say where to send to, and where to look.
func targetFlags(f *pflag.FlagSet, c *loadtest.Config) {
	f.StringSliceVar(&c.Brokers, "brokers", c.Brokers, "Kafka brokers, host:port, separated by commas")
	f.StringVar(&c.Topic, "topic", c.Topic, "topic the telemetry is sent to")
	f.StringVar(&c.DeadLetters, "dlq-topic", c.DeadLetters, "topic of the rejected records; empty: rejects are not looked at")
	securityFlags(f, "kafka", &c.Security)
	clickHouseFlags(f, &c.ClickHouse)
	f.StringVar(&c.ClickHouse.Hot, "hot-table", c.ClickHouse.Hot, "table polled for visibility")
}

func clickHouseFlags(f *pflag.FlagSet, c *loadtest.ClickHouse) {
	f.StringVar(&c.Addr, "clickhouse", c.Addr, "ClickHouse's native interface, host:port")
	f.StringVar(&c.User, "user", c.User, "ClickHouse user")
	secretFlags(f, "password", &c.Password, "ClickHouse password")
	securityFlags(f, "clickhouse-tls", &c.TLS)
	f.StringVar(&c.Database, "database", c.Database, "ClickHouse database")
	f.StringVar(&c.Table, "table", c.Table, "table or view the proof looks into")
}

func jsonFlag(f *pflag.FlagSet) *string {
	return f.String("json", "", `file to write the result to as JSON; "-": the last line of standard output`)
}

const (
	envPrefix = "PENSTOCK_LOADTEST_"
	aboutEnv  = `
Every flag can also be set by a variable in capitals, with underscores, such as ` + envPrefix + `PASSWORD.
A flag overrides a variable.`
)

// fromEnv sets the flags of c that were not given from the environment. It
// reports every variable that is a flag of no command, or whose value the flag
// does not take.
func fromEnv(c *cobra.Command, environ []string) error {
	var errs []error
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(key, envPrefix)
		if !ours {
			continue
		}
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		switch flag := c.Flags().Lookup(name); {
		case flag != nil && flag.Changed:
		case flag != nil:
			if err := c.Flags().Set(name, value); err != nil {
				errs = append(errs, fmt.Errorf("variable %s: %w", key, err))
			}
		case !slices.ContainsFunc(c.Root().Commands(), func(c *cobra.Command) bool { return c.Flags().Lookup(name) != nil }):
			errs = append(errs, fmt.Errorf("variable %s: there is no such flag; unset it, or see --help for those there are", key))
		}
	}
	return errors.Join(errs...)
}

// report writes the result, also that of a run whose proof failed, and returns
// what is wrong with either.
func report(result any, err error, path string) error {
	if path == "" {
		return err
	}
	text, errJSON := json.Marshal(result)
	if errJSON != nil {
		return errors.Join(err, fmt.Errorf("encode result: %w", errJSON))
	}
	text = append(text, '\n')
	if path == "-" {
		_, errJSON = os.Stdout.Write(text)
	} else {
		errJSON = os.WriteFile(path, text, 0o644)
	}
	return errors.Join(err, errJSON)
}
