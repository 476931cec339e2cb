package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/ops/page"
	"penstock/ops/peer"
	"penstock/ops/runbooks"
	"penstock/ops/settings"
	"penstock/ops/state"
	"penstock/ops/top"
)

func topCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var addr string
	var once bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show how things are, in the terminal",
		Long: `Ask the program at admin.addr, or at --addr, how things are, and show what its page shows: first what is wrong, why,
and what to do; then streams, days and programs. It is shown anew every two seconds, until ^C.

A mark says how much somebody is needed: [!!] act now, [! ] have a look, [i ] to know, [ok] as promised. A runbook is at the
address that was asked, to be opened in a browser.

Any program with an admin server will do: a node, a compactor, "ingest watch". It tells of its page.peers too, so that
one of them can show all.

With --once, and where there is no terminal, it is written once, as plain text, in full. There is no colour if NO_COLOR
is set.`,
		Example: `  ingest top --config ingest.yaml
  ingest top --addr 10.0.0.7:9464 --set access.token_file=/run/secrets/admin-token
  ingest top --addr localhost:9468 --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every <= 0 {
				return fmt.Errorf("--every is %v; want a positive duration such as 2s", every)
			}
			cfg, at, err := loadAsker(*from, addr)
			if err != nil {
				return err
			}
			t := terminal{client: peer.New(cfg.access(), answerTimeout), addr: at, out: out}
			if f, ok := out.(*os.File); ok && !once && term.IsTerminal(int(f.Fd())) {
				return t.follow(cmd.Context(), f, every)
			}
			return t.once(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "admin.addr of the program to ask, `host:port`; that of the config if it is not given")
	cmd.Flags().BoolVar(&once, "once", false, "write it once and end")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "`time` between two looks")
	return cmd
}

// answerTimeout bounds a look: whoever waits longer wants to be told that nobody
// answers.
const answerTimeout = 4 * time.Second

// terminal is where "ingest top" shows what it is told.
type terminal struct {
	client *peer.Client
	addr   string
	out    io.Writer
}

func (t terminal) ask(ctx context.Context) (state.State, error) {
	s, err := page.Ask(ctx, t.client, t.addr, page.StatePath)
	if err != nil {
		return s, fmt.Errorf("the program at %s: %w", t.addr, err)
	}
	return s, nil
}

func (t terminal) screen() top.Screen {
	return top.Screen{Runbooks: t.client.URL(t.addr, runbooks.Path)}
}

func (t terminal) once(ctx context.Context) error {
	s, err := t.ask(ctx)
	if err != nil {
		return err
	}
	_, err = io.WriteString(t.out, t.screen().Text(s))
	return err
}

// What a terminal is told: to show another screen and no cursor, and what was there
// before; to go to the first line, to clear the rest of a line and of the screen.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	firstLine   = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// follow shows it anew until ctx ends. While nobody answers what was known stays, with
// since when it is known.
func (t terminal) follow(ctx context.Context, f *os.File, every time.Duration) (err error) {
	if _, err := io.WriteString(f, enterScreen); err != nil {
		return err
	}
	defer func() {
		_, left := io.WriteString(f, leaveScreen)
		err = errors.Join(err, left)
	}()
	_, plain := os.LookupEnv("NO_COLOR")
	turn := time.NewTicker(every)
	defer turn.Stop()
	var last state.State
	for {
		s, asked := t.ask(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if asked == nil {
			last = s
		}
		screen := t.screen()
		screen.Colour = !plain
		if width, height, err := term.GetSize(int(f.Fd())); err == nil {
			screen.Width, screen.Height = width, height-1
		}
		text := screen.Text(last)
		if asked != nil {
			text = screen.Stale(last, asked)
		}
		if _, err := io.WriteString(f, firstLine+strings.ReplaceAll(text, "\n", clearLine+"\n")+clearBelow); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-turn.C:
		}
	}
}
