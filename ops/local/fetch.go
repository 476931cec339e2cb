package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"penstock/ops/local/fetch"
	"penstock/ops/local/kafka"
)

func fetchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fetch [kafka|chdb|versitygw|duckdb]...",
		Short: "Fetch the programs of the stack into the cache",
		Long: `Fetch brings the programs of the stack into the cache and starts nothing.
Without arguments it fetches all that this machine can run:

  kafka      Apache Kafka's jars, by mvn                     57 MB
  chdb       ClickHouse's engine as a library, by npm       570 MB
  versitygw  an S3 gateway, by go install                    61 MB
  duckdb     a Python environment with DuckDB, by python3   106 MB

What is in the cache is not fetched again and needs no network. Fetches of
several stacks take turns.`,
		Example: `  local fetch
  PENSTOCK_CACHE=/var/cache/penstock local fetch kafka chdb`,
		RunE: func(cmd *cobra.Command, names []string) error {
			items, err := selectItems(names)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				if items, err = runnable(cmd.Context(), items, cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			cache, err := fetch.Fetched(cmd.Context(), cmd.ErrOrStderr(), items...)
			if err != nil {
				return err
			}
			for _, i := range items {
				fmt.Fprintf(cmd.OutOrStdout(), "%-16s %s\n", i, cache.Path(i))
			}
			return nil
		},
	}
}

// runnable leaves Kafka's jars out where there is no Java to run them: there the
// stack runs without.
func runnable(ctx context.Context, items []fetch.Item, notes io.Writer) ([]fetch.Item, error) {
	kind, note, err := kafka.Choose(ctx, "")
	if err != nil || kind == kafka.Apache {
		return items, err
	}
	fmt.Fprintln(notes, note)
	return slices.DeleteFunc(slices.Clone(items), func(i fetch.Item) bool { return i.Name == fetch.Kafka.Name }), nil
}

// selectItems is all of them if no name is given.
func selectItems(names []string) ([]fetch.Item, error) {
	if len(names) == 0 {
		return fetch.Items, nil
	}
	var known []string
	byName := map[string]fetch.Item{}
	for _, i := range fetch.Items {
		known = append(known, i.Name)
		byName[i.Name] = i
	}
	var items []fetch.Item
	for _, name := range names {
		i, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("there is no %q to fetch; there are %s", name, strings.Join(known, ", "))
		}
		items = append(items, i)
	}
	return items, nil
}
