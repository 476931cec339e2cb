package state

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Seconds says how long something is, for people: 0.6 s, 12 s, 3 min 05 s, 2 h 10 min, 3 d 4 h.
func Seconds(s float64) string {
	whole := int64(math.Round(s))
	switch {
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	case whole < 60:
		return fmt.Sprintf("%d s", whole)
	case whole < 3600:
		return fmt.Sprintf("%d min %02d s", whole/60, whole%60)
	case whole < 86400:
		return fmt.Sprintf("%d h %02d min", whole/3600, whole/60%60)
	}
	return fmt.Sprintf("%d d %d h", whole/86400, whole/3600%24)
}

// Count writes a number with three digits: 0, 12, 1,234, 12.3 k, 1.23 M.
func Count(n float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if n >= unit.of*0.9995 {
			if unit.of == 1e4 {
				unit.of = 1e3
			}
			v := n / unit.of
			return fmt.Sprintf("%.*f%s", max(0, 2-int(math.Log10(max(1, v)))), v, unit.name)
		}
	}
	switch {
	case n >= 999.5:
		return fmt.Sprintf("%d,%03d", int64(math.Round(n))/1000, int64(math.Round(n))%1000)
	case n > 0 && n < 9.95 && n != math.Trunc(n):
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// Bytes writes a number of bytes with three digits, in units of a thousand.
func Bytes(n float64) string {
	const units = " kMGTPE"
	i := 0
	for ; n >= 999.5 && i < len(units)-1; i++ {
		n /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%.0f B", n)
	}
	return fmt.Sprintf("%.*f %cB", max(0, 2-int(math.Log10(max(1, n)))), n, units[i])
}

// ago says how long ago a time was.
func ago(now, then time.Time) string { return Seconds(max(0, now.Sub(then).Seconds())) }

// several names the first of what may be many.
func several(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// plural writes a number of things, of which the names are for one and for several.
func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
