// Local is the whole stack on one machine: a real Kafka, ClickHouse's engine
// behind ClickHouse's own interfaces, and an S3 gateway. It fetches them at
// pinned versions, starts them, waits until each answers, and stops them.
//
// It is a Go module of its own, so that nothing of it reaches production.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"penstock/loadtest/gate"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "local: %v\n", err)
		os.Exit(gate.ExitStatus(err))
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal kills

	root := command()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "local",
		Short: "Penstock's stack on one machine",
		Long: `Local runs what Penstock needs on one machine: Apache Kafka, ClickHouse and S3.

Everything is fetched once, at pinned versions, into a cache in the repository
(PENSTOCK_CACHE names another folder); afterwards no network is needed.

  local run           the stack with the product on it and a fleet that sends, until ^C
  local smoke         the same for 20 s, with everything proven
  local faults        everything broken under load, and what is stored proven
  local faults-cold   the cold tier broken while days move, and the view proven
  local bench         how many events a node stores for a second of CPU time
  local bench-engine  what ClickHouse takes to store a million of them
  local bench-stack   all of it under load on the same cores, measured
  local bench-tier    what it takes to move a day to Parquet on S3
  local loadtest      a scenario of load played, and a version judged by its objectives
  local tsbs          trucks that TSBS simulates, two topics in one node, all proven
  local up            only the stack, until ^C
  local fetch         only fetch what is missing`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), smokeCommand(), faultsCommand(), faultsColdCommand(), benchCommand(), benchEngineCommand(), benchStackCommand(), benchTierCommand(), loadtestCommand(), tsbsCommand(), upCommand(), fetchCommand(), clickhouseCommand())
	return root
}
