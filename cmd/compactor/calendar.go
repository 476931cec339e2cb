package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"penstock/ops/settings"
	"penstock/schema"
	"penstock/tiering"
)

func calendarCommand(from *settings.Sources, out io.Writer) *cobra.Command {
	var months int
	cmd := &cobra.Command{
		Use:   "calendar",
		Short: "Show where the rows of each day are, month by month",
		Long: `Show months as grids in which each day has the letter of its state, and a ! if "compactor run" would do something for it
now; what the letters mean, with how many days, rows and bytes each state has; and the days without any row between
others that have some. Nothing is changed.

There is colour on a terminal, and none if NO_COLOR is set.`,
		Example: `  compactor calendar --config compactor.yaml
  compactor calendar --config compactor.yaml --months 36`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if months < 1 {
				return fmt.Errorf("--months is %d; want at least 1", months)
			}
			cfg, err := load(*from)
			if err != nil {
				return err
			}
			return cfg.with(cmd.Context(), tiering.Events{}, func(c *tiering.Compactor) error {
				steps, err := c.Plan(cmd.Context())
				if err != nil {
					return err
				}
				k := calendar{now: time.Now().UTC(), months: months, width: 80}
				k.fit(out)
				_, err = io.WriteString(out, k.text(steps))
				return err
			})
		},
	}
	cmd.Flags().IntVar(&months, "months", 12, "`how many` months to show, up to the newest; older days are counted all the same")
	return cmd
}

// calendar is how days are shown.
type calendar struct {
	now    time.Time // UTC, as days are
	months int       // at most
	width  int       // of the terminal, in columns
	colour bool
}

// fit adapts the calendar to where it is written.
func (k *calendar) fit(out io.Writer) {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return
	}
	_, none := os.LookupEnv("NO_COLOR")
	k.colour = !none
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		k.width = width
	}
}

// mark is how a state is shown.
type mark struct {
	letter byte
	name   string
	colour int // of the terminal's, as in ESC[31m
}

// late is the state of a cold day that has rows in the hot table too, and absent
// that of a day without any row. To the compactor neither is one.
const (
	late   tiering.State = "cold, late rows hot"
	absent tiering.State = "no rows"
)

// marks are in the order of a day's life.
var marks = []mark{
	{'h', string(tiering.Hot), 31},
	{'s', string(tiering.Sealed), 33},
	{'p', string(tiering.Published), 33},
	{'u', string(tiering.Cut), 33},
	{'c', string(tiering.Cold), 34},
	{'l', string(late), 36},
	{'o', string(tiering.Loading), 35},
	{'r', string(tiering.Restored), 35},
	{'e', string(tiering.Released), 35},
	{'x', string(tiering.Retired), 90},
	{'-', string(absent), 90},
}

func stateOf(s tiering.Step) tiering.State {
	if s.State == tiering.Cold && s.HotRows > 0 {
		return late
	}
	return s.State
}

func markOf(s tiering.State) mark {
	for _, m := range marks {
		if m.name == string(s) {
			return m
		}
	}
	return mark{'?', string(s), 0} // of a release that shows it nowhere
}

// text shows the days of a plan, which is oldest first.
func (k calendar) text(steps []tiering.Step) string {
	if len(steps) == 0 {
		return "no day has any rows\n"
	}
	days := make(map[schema.Day]tiering.Step, len(steps))
	for _, s := range steps {
		days[s.Day] = s
	}
	first, last := steps[0].Day, steps[len(steps)-1].Day
	var gaps []schema.Day
	for day := first; day <= last; day++ {
		if _, ok := days[day]; !ok {
			days[day] = tiering.Step{State: absent, Partition: tiering.Partition{Day: day}, Day: day, Action: tiering.Nothing}
			gaps = append(gaps, day)
		}
	}
	var b strings.Builder
	b.WriteString(k.grids(days, first, last))
	k.legend(&b, days)
	if len(gaps) > 0 {
		fmt.Fprintf(&b, "\nno rows: %s\n", ranges(gaps))
	}
	return b.String()
}

// gridWidth is that of a month: seven days of four columns.
const gridWidth = 7 * 4

// grids shows the months, as many side by side as fit.
func (k calendar) grids(days map[schema.Day]tiering.Step, first, last schema.Day) string {
	newest := monthOf(last)
	oldest := newest.AddDate(0, 1-k.months, 0)
	if m := monthOf(first); m.After(oldest) {
		oldest = m
	}
	var months [][]string
	for m := oldest; !m.After(newest); m = m.AddDate(0, 1, 0) {
		months = append(months, k.grid(m, days))
	}
	across := max(1, (k.width+2)/(gridWidth+2))
	var b strings.Builder
	for len(months) > 0 {
		row := months[:min(across, len(months))]
		months = months[len(row):]
		for line := range row[0] {
			var parts []string
			for _, grid := range row {
				parts = append(parts, grid[line])
			}
			b.WriteString(strings.TrimRight(strings.Join(parts, "  "), " ") + "\n")
		}
	}
	return b.String()
}

func monthOf(day schema.Day) time.Time {
	t := day.Start().UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// grid shows one month in nine lines: name, weekdays, six weeks and an empty
// one. Each is gridWidth columns wide.
func (k calendar) grid(month time.Time, days map[schema.Day]tiering.Step) []string {
	lines := []string{fmt.Sprintf("%-*s", gridWidth, month.Format("January 2006")), " Mo  Tu  We  Th  Fr  Sa  Su "}
	blank := strings.Repeat(" ", 4)
	column := (int(month.Weekday()) + 6) % 7 // weeks begin on Monday
	line := strings.Repeat(blank, column)
	for t := month; t.Month() == month.Month(); t = t.AddDate(0, 0, 1) {
		if step, ok := days[schema.DayOf(t.UnixMilli())]; ok {
			line += k.cell(t.Day(), step)
		} else {
			line += blank
		}
		if column++; column == 7 {
			lines, line, column = append(lines, line), "", 0
		}
	}
	lines = append(lines, line+strings.Repeat(blank, 7-column))
	for len(lines) < 9 {
		lines = append(lines, strings.Repeat(" ", gridWidth))
	}
	return lines[:9]
}

// cell shows a day in four columns: its number, the letter of its state, and
// whether there is something to do.
func (k calendar) cell(number int, s tiering.Step) string {
	m, due := markOf(stateOf(s)), " "
	if s.Ready(k.now) {
		due = "!"
	}
	return k.paint(m, fmt.Sprintf("%2d%c%s", number, m.letter, due))
}

func (k calendar) paint(m mark, text string) string {
	if !k.colour || m.colour == 0 {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", m.colour, text)
}

// legend says what the letters mean, and what the days of each state have.
func (k calendar) legend(b *strings.Builder, days map[schema.Day]tiering.Step) {
	type total struct {
		days                             int
		rows, bytes, coldRows, coldBytes uint64
	}
	totals := map[tiering.State]*total{}
	due := 0
	for _, s := range days {
		state := stateOf(s)
		t := totals[state]
		if t == nil {
			t = new(total)
			totals[state] = t
		}
		t.days++
		t.rows += s.HotRows + s.SealedRows
		t.bytes += s.HotBytes + s.SealedBytes
		t.coldRows += s.ColdRows
		t.coldBytes += uint64(s.ColdBytes)
		if s.Ready(k.now) {
			due++
		}
	}
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\tstate\tdays\trows in ClickHouse\t\trows on S3\t\t\n")
	for _, m := range marks {
		if t := totals[tiering.State(m.name)]; t != nil {
			fmt.Fprintf(table, "%c\t%s\t%d\t%d\t%s\t%d\t%s\t\n", m.letter, m.name, t.days, t.rows, size(t.bytes), t.coldRows, size(t.coldBytes))
		}
	}
	_ = table.Flush() // to memory
	if due > 0 {
		fmt.Fprintf(b, "\n! %d days have something to do now: compactor plan says what, compactor run does it\n", due)
	}
}

// ranges writes days, oldest first, as days and ranges of days.
func ranges(days []schema.Day) string {
	var parts []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && days[j+1] == days[j]+1 {
			j++
		}
		text := days[i].String()
		if j > i {
			text += ".." + days[j].String()
		}
		parts, i = append(parts, text), j+1
	}
	return strings.Join(parts, ", ")
}
