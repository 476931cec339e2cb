package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"penstock/ops/local/clickhouse"
	"penstock/ops/local/clickhouse/discard"
	"penstock/ops/local/fetch"
)

func clickhouseCommand() *cobra.Command {
	var cfg clickhouse.Config
	var grants string
	cmd := &cobra.Command{
		Use:   "clickhouse",
		Short: "Run only ClickHouse, in this process",
		Long: `Clickhouse serves ClickHouse's native and HTTP protocols from this process until
SIGINT or SIGTERM. "local up" starts it as a process of its own, so that it can
be stopped, killed and started again by its process id like any server.

With --discard-inserts it takes what is inserted as always and throws it away
instead of storing it, for measuring a client alone; everything else is the
engine's.

The password is read from CLICKHOUSE_PASSWORD, so that no list of processes
shows it.`,
		Example: `  CLICKHOUSE_PASSWORD=penstock local clickhouse --path /tmp/ch --tcp 127.0.0.1:9000 --http 127.0.0.1:8123`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Lib == "" {
				cache, err := fetch.Fetched(cmd.Context(), cmd.ErrOrStderr(), fetch.ClickHouse)
				if err != nil {
					return err
				}
				cfg.Lib = cache.Path(fetch.ClickHouse)
			}
			if grants != "" {
				script, err := os.ReadFile(grants)
				if err != nil {
					return err
				}
				if cfg.Grants, err = clickhouse.ParseGrants(string(script)); err != nil {
					return fmt.Errorf("%s: %w", grants, err)
				}
			}
			cfg.Password = os.Getenv("CLICKHOUSE_PASSWORD")
			return clickhouse.Serve(cmd.Context(), cfg, func(tcp, http net.Addr) {
				fmt.Fprintf(cmd.OutOrStdout(), "clickhouse native %v http %v pid %d\n", tcp, http, os.Getpid())
			})
		},
	}
	cmd.Flags().StringVar(&cfg.Lib, "lib", "", "libchdb.so (default: the one in the cache, fetched if missing)")
	cmd.Flags().StringVar(&cfg.Path, "path", "", "data folder; one process at a time may own it")
	cmd.Flags().StringVar(&cfg.TCP, "tcp", "127.0.0.1:9000", "address of the native protocol; port 0 takes a free one")
	cmd.Flags().StringVar(&cfg.HTTP, "http", "127.0.0.1:8123", "address of the HTTP protocol; port 0 takes a free one")
	cmd.Flags().StringVar(&cfg.TCPSecure, "tcp-secure", "", "address of the native protocol by TLS (default: none)")
	cmd.Flags().StringVar(&cfg.HTTPSecure, "http-secure", "", "address of HTTPS (default: none)")
	cmd.Flags().StringVar(&cfg.Certificates.CertFile, "tls-cert", "", "`file` of the certificate for both, in PEM")
	cmd.Flags().StringVar(&cfg.Certificates.KeyFile, "tls-key", "", "`file` of its key")
	cmd.Flags().StringVar(&cfg.Certificates.ClientCAFile, "tls-client-ca", "", "`file` of the authorities of clients, which then need a certificate")
	cmd.Flags().StringVar(&cfg.User, "user", "penstock", "the one account")
	cmd.Flags().StringVar(&grants, "grants", "", "`file` of GRANT statements: what the account may do (default: everything)")
	cmd.Flags().BoolVar(&cfg.DiscardInserts, "discard-inserts", false, "throw rows away and count them: GET http://ADDRESS"+discard.Path)
	if err := cmd.MarkFlagRequired("path"); err != nil {
		panic("BUG: " + err.Error())
	}
	return cmd
}
