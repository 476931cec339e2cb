// Command loadtest sends a fleet's telemetry to Kafka, measures how soon it is
// visible in ClickHouse, and proves that all of it arrived.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"penstock/loadtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "loadtest:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "loadtest",
		Short:         "Send a fleet's telemetry and prove that it arrived",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), verifyCommand())
	return root
}

func runCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "run",
		Short: "Send at a constant rate, measure visibility, verify",
		Long: `Send telemetry of a fleet at a constant open-loop rate, measure how long each reading takes from its
intended send time until a query finds it, and prove in the end that each device's exact set of
sequence numbers is stored and every malformed record is dead-lettered.

The first interrupt ends the sending and verifies what was sent; a second one ends the program.
It exits with 1 if anything is missing, duplicated, or not rejected as it has to be.

Every flag is also a key of the --config file and, in capitals and with underscores, a variable such as
PENSTOCK_LOADTEST_PASSWORD. A flag overrides a variable, and a variable the file.`,
		Example: `  loadtest run --brokers 127.0.0.1:9092 --clickhouse 127.0.0.1:9000 --rate 20000 --duration 20s --json -`,
		Args:    cobra.NoArgs,
	}
	d := loadtest.DefaultConfig()
	f := c.Flags()
	f.StringSlice("brokers", d.Brokers, "Kafka brokers, host:port, separated by commas")
	f.String("topic", d.Topic, "topic the telemetry is sent to")
	f.String("dlq-topic", d.DeadLetters, "topic of the rejected records; empty: rejects are not looked at")
	clickHouseFlags(f, d.ClickHouse)
	f.String("hot-table", d.ClickHouse.Hot, "table polled for visibility")
	f.String("run", d.Run, "name of this run, part of every device id")
	f.Uint64("seed", d.Seed, "decides what is sent")
	f.Float64("rate", d.Rate, "records a second, of all kinds")
	f.Duration("duration", d.Duration, "how long to send; 0: until interrupted")
	f.Int("devices", d.Devices, "size of the fleet")
	f.Float64("resend", d.Shares.Resend, "share of records sent a second time")
	f.Float64("late", d.Shares.Late, "share of readings up to 40 days old")
	f.Float64("malformed", d.Shares.Malformed, "share of records that have to be rejected")
	f.Duration("verify-timeout", d.VerifyTimeout, "how long the last record may take to arrive; 0: verify nothing")
	f.Bool("allow-duplicates", d.AllowDuplicates, "report duplicates without failing for them")
	f.String("state", d.State, "file to leave what has to be stored in, for loadtest verify")
	f.Duration("progress-every", d.ProgressEvery, "time between two progress lines")
	out, conf := outputFlags(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var cfg loadtest.Config
		if err := load(f, *conf, &cfg); err != nil {
			return err
		}
		r, err := loadtest.Run(c.Context(), cfg, loadtest.Output{Writer: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))})
		return report(r, err, *out)
	}
	return c
}

func verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove an earlier run again",
		Long: `Prove again that each device's exact set of sequence numbers is stored, from the state an earlier run left:
later, or after tiering has moved some of its days to Parquet.`,
		Example: `  loadtest verify --state run.json --clickhouse 127.0.0.1:9000 --table telemetry_all`,
		Args:    cobra.NoArgs,
	}
	d := loadtest.DefaultConfig()
	f := c.Flags()
	clickHouseFlags(f, d.ClickHouse)
	state := f.String("state", "", "file the run left with --state")
	out, conf := outputFlags(f)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg := d
		if err := load(f, *conf, &cfg); err != nil {
			return err
		}
		sent, err := loadtest.LoadSent(*state)
		if err != nil {
			return err
		}
		r, err := loadtest.Verify(c.Context(), cfg.ClickHouse, sent)
		return report(r, err, *out)
	}
	return c
}

func clickHouseFlags(f *pflag.FlagSet, d loadtest.ClickHouse) {
	f.String("clickhouse", d.Addr, "ClickHouse's native interface, host:port")
	f.String("user", d.User, "ClickHouse user")
	f.String("password", d.Password, "ClickHouse password; PENSTOCK_LOADTEST_PASSWORD keeps it out of the process list")
	f.String("database", d.Database, "ClickHouse database")
	f.String("table", d.Table, "table or view the proof looks into")
}

func outputFlags(f *pflag.FlagSet) (out, conf *string) {
	return f.String("json", "", `file to write the result to as JSON; "-": the last line of standard output`),
		f.String("config", "", "YAML file with any of the other flags as keys")
}

const envPrefix = "PENSTOCK_LOADTEST_"

// load fills cfg from the file, the environment and the flags, each overriding
// the one before. Keys no flag has are errors.
func load(f *pflag.FlagSet, path string, cfg *loadtest.Config) error {
	k := koanf.New(".")
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return fmt.Errorf("config %s: %w", path, err)
		}
	}
	err := k.Load(env.Provider(".", env.Opt{Prefix: envPrefix, TransformFunc: func(key, value string) (string, any) {
		return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(key, envPrefix)), "_", "-"), value
	}}), nil)
	if err != nil {
		return fmt.Errorf("environment %s*: %w", envPrefix, err)
	}
	var errs []error
	for _, key := range k.Keys() {
		if f.Lookup(key) == nil {
			errs = append(errs, fmt.Errorf("config: unknown key %q with value %q; see --help for those there are", key, k.String(key)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := k.Load(posflag.Provider(f, ".", k), nil); err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	if err := k.Unmarshal("", cfg); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return nil
}

// report writes the result, also that of a run whose proof failed, and returns
// what is wrong with either.
func report(r loadtest.Result, err error, path string) error {
	if path == "" || r.Run == "" { // without a name there was no run
		return err
	}
	text, errJSON := json.Marshal(r)
	if errJSON != nil {
		return errors.Join(err, fmt.Errorf("encode result: %w", errJSON))
	}
	text = append(text, '\n')
	if path == "-" {
		_, errJSON = io.Writer(os.Stdout).Write(text)
	} else {
		errJSON = os.WriteFile(path, text, 0o644)
	}
	return errors.Join(err, errJSON)
}
