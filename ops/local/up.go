package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"penstock/ops/local/fetch"
	"penstock/ops/local/stack"
)

// stackFlags are the flags of every command that starts a stack.
func stackFlags(flags *pflag.FlagSet, cfg *stack.Config, name string) {
	flags.StringVar((*string)(&cfg.Kafka), "kafka", "", "apache or kfake (default: apache if there is Java 17 or newer)")
	flags.StringVar(&cfg.State, "state", "", "folder of all data and logs, kept between runs (default: .state/"+name+" in the repository)")
	flags.IntVar(&cfg.Ports.Kafka, "kafka-port", 0, "Kafka's port; 0 takes a free one")
	flags.IntVar(&cfg.Ports.ClickHouseNative, "clickhouse-port", 0, "ClickHouse's port for the native protocol; 0 takes a free one")
	flags.IntVar(&cfg.Ports.ClickHouseHTTP, "http-port", 0, "ClickHouse's port for HTTP; 0 takes a free one")
	flags.IntVar(&cfg.Ports.S3, "s3-port", 0, "S3's port; 0 takes a free one")
}

// complete fills in what the flags left open.
func complete(cfg *stack.Config, name string, notes io.Writer) error {
	dir, err := fetch.DefaultDir()
	if err != nil {
		return err
	}
	cfg.Cache = fetch.Cache{Dir: dir, Out: notes}
	cfg.Notes = notes
	if cfg.State != "" {
		return nil
	}
	root, ok := fetch.Repository()
	if !ok {
		return errors.New("outside of the repository there is no default for the data; give a folder with --state")
	}
	cfg.State = filepath.Join(root, ".state", name)
	return nil
}

func upCommand() *cobra.Command {
	var cfg stack.Config
	var addresses string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start Kafka, ClickHouse and S3 and leave them running until ^C",
		Long: `Up fetches what is missing, starts Kafka, ClickHouse and S3, waits until each of
them answers, prints their addresses and stops them on SIGINT or SIGTERM.

Data and logs are kept in the state folder, and the next "up" goes on with them.
Several stacks run side by side if each has its own --state.`,
		Example: `  local up
  local up --kafka-port 9092 --clickhouse-port 9000 --http-port 8123 --s3-port 7070
  local up --state /tmp/second --json /tmp/second.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := complete(&cfg, "up", cmd.ErrOrStderr()); err != nil {
				return err
			}
			began := time.Now()
			s, err := stack.Start(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Stop()) }()
			if addresses != "" {
				if err := s.Addresses().WriteFile(addresses); err != nil {
					return err
				}
			}
			a := s.Addresses()
			fmt.Fprintf(cmd.OutOrStdout(), "%v\n\n  curl 'http://%s:%s@%s/?query=SELECT+version()'\n\nup after %.1f s; ^C stops it\n",
				a, a.ClickHouse.User, a.ClickHouse.Password, a.ClickHouse.HTTP, time.Since(began).Seconds())
			return hold(cmd.Context(), s)
		},
	}
	stackFlags(cmd.Flags(), &cfg, "up")
	cmd.Flags().StringVar(&addresses, "json", "", "write the addresses to this file as JSON once all are up")
	return cmd
}

// hold returns nil when ctx ends, and an error when a part of the stack ends by
// itself before.
func hold(ctx context.Context, s *stack.Stack) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := s.Err(); err != nil {
				return err
			}
		}
	}
}
