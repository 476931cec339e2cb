package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"penstock/ops"
	"penstock/ops/peer"
	"penstock/ops/settings"
)

func drainCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Have a node give up its partitions, and wait until it has",
		Long: `Ask the node at admin.addr, or at --addr, to store and commit what it has read, leave the group and stay, not
ready, until it is stopped; and wait until it has left, for at most stop_timeout and a little. The other nodes go on
with its partitions at once. Repeat it as often as you like. A node that is drained works again when it is started anew.

It is what an orchestrator runs before it stops a node, and what you run before you look at one in peace. SIGTERM drains
a node as well, and ends it.`,
		Example: `  ingest drain --config ingest.yaml
  ingest drain --addr 10.0.0.7:9464 --set access.token_file=/run/secrets/admin-token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, at, err := loadAsker(*from, addr)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), cfg.Pipeline.StopTimeout+drainSlack)
			defer cancel()
			return drain(ctx, peer.New(cfg.access(), reachTimeout), at, out)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "the node's admin.addr, `host:port`; that of the config if it is not given")
	return cmd
}

const (
	// drainSlack is what leaving the group takes beside what stop_timeout bounds.
	drainSlack = 10 * time.Second
	drainEvery = 200 * time.Millisecond
)

// drain asks the node to drain, and again until it says that it has.
func drain(ctx context.Context, node *peer.Client, addr string, out io.Writer) error {
	again := time.NewTicker(drainEvery)
	defer again.Stop()
	for {
		answer, err := node.Post(ctx, addr, "/drain")
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("the node at %s is not drained yet; ask again, or see what its log says of the stop", addr)
		case err != nil:
			return fmt.Errorf("node at %s: %w", addr, err)
		case answer == ops.Drained:
			fmt.Fprintln(out, answer)
			return nil
		}
		select {
		case <-ctx.Done():
		case <-again.C:
		}
	}
}
