package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/ops/settings"
	"penstock/pipeline"
	"penstock/schema"
)

func dlqShowCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show <partition>@<offset>",
		Short: "Show one dead letter: the reason, the headers and the record's bytes",
		Long: `Show the letter of the record at this partition and offset of the topic: why it could not be stored, its
headers, its key, and its value as text or, if it is none, as a dump. As JSON the key and the value are base64.`,
		Example: `  ingest dlq show --config ingest.yaml 3@1041`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, s, err := openLetters(*from)
			if err != nil {
				return err
			}
			partition, offset, err := toCoordinates(args[0])
			if err != nil {
				return err
			}
			show := newProgress(cmd.ErrOrStderr())
			defer show.close()
			var found *pipeline.Letter
			_, err = pipeline.ReadLetters(cmd.Context(), cfg.Kafka, s, pipeline.LetterFilter{Partition: &partition, Offset: &offset},
				func(l pipeline.Letter) error { found = &l; return errFound },
				func(now pipeline.LettersRead) { show.show("dead letters", now.Done, now.Of) })
			switch {
			case found != nil:
			case err != nil:
				return err
			default:
				return fmt.Errorf("%s has no letter of record %s of %s; `ingest dlq ls --limit 100` lists those it has", cfg.Kafka.DeadLetters(), args[0], cfg.Kafka.Topic)
			}
			shown := showLetter(*found, s, cfg.Kafka.Encoding)
			if asJSON {
				return writeJSON(out, shown)
			}
			_, err = io.WriteString(out, shown.text())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

// errFound ends a reading that has found what it was for.
var errFound = errors.New("found")

// shownHeader is a header that the record came with.
type shownHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// shownLetter is all there is of a letter.
type shownLetter struct {
	Topic     string        `json:"topic"`
	Partition int32         `json:"partition"`
	Offset    int64         `json:"offset"`
	Time      time.Time     `json:"time"` // when the record came
	Rejected  time.Time     `json:"rejected"`
	Reason    schema.Reason `json:"reason"`
	Detail    string        `json:"detail"`
	Schema    string        `json:"schema"` // name/version
	Device    string        `json:"device"`
	CutFrom   int           `json:"cut_from,omitempty"` // bytes of the whole record
	Headers   []shownHeader `json:"headers"`
	Key       []byte        `json:"key"`
	Value     []byte        `json:"value"`
}

func showLetter(l pipeline.Letter, s *schema.Schema, e schema.Encoding) shownLetter {
	r := l.Record
	shown := shownLetter{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC(), Rejected: l.At.UTC(), Reason: l.Reason, Detail: l.Detail,
		Schema: l.Schema, Device: l.Device(s, e), CutFrom: l.CutFrom, Headers: []shownHeader{}, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		shown.Headers = append(shown.Headers, toShown(h))
	}
	return shown
}

func toShown(h kgo.RecordHeader) shownHeader { return shownHeader{h.Key, h.Value} }

func (l shownLetter) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("record", "%s %d@%d", l.Topic, l.Partition, l.Offset)
	line("came", "%s", when(l.Time))
	line("rejected", "%s, by schema %s", when(l.Rejected), l.Schema)
	line("reason", "%s", l.Reason)
	line("detail", "%s", quotedTail(l.Detail))
	line("device", "%s", quotedTail(l.Device))
	for _, h := range l.Headers {
		line("header", "%s: %s", quotedTail(h.Key), quotedTail(string(h.Value)))
	}
	line("key", "%s", quotedTail(string(l.Key)))
	if l.CutFrom > 0 {
		line("cut", "the whole record has %d bytes; the dead-letter topic had no room for it", l.CutFrom)
	}
	line("value", "%d bytes", len(l.Value))
	b.WriteString("\n")
	if isText(l.Value) {
		b.Write(l.Value)
		if !strings.HasSuffix(string(l.Value), "\n") {
			b.WriteString("\n")
		}
	} else {
		b.WriteString(hex.Dump(l.Value))
	}
	return b.String()
}

// quotedTail is a text that does nothing to a terminal, whole.
func quotedTail(text string) string {
	quoted := fmt.Sprintf("%q", text)
	return quoted[1 : len(quoted)-1]
}

// isText reports whether a terminal shows the bytes as what they are: a carriage
// return that ends no line would have what follows written over what came before.
func isText(value []byte) bool {
	text := strings.ReplaceAll(string(value), "\r\n", "\n")
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' && r != '\t'
	})
}
