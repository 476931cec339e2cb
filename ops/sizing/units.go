package sizing

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// unit is what a quantity is counted in; it decides how people read it.
type unit string

const (
	plain          unit = "" // a number of what its description says
	perSecond      unit = "/s"
	bytesUnit      unit = "bytes"
	bytesPerSecond unit = "bytes/s"
	cores          unit = "cores"
	micros         unit = "CPU us"
	cpuSeconds     unit = "CPU s"
	seconds        unit = "s"
	usd            unit = "USD"
)

// format is a value as people read it.
func (u unit) format(v float64) string {
	switch u {
	case bytesUnit, bytesPerSecond:
		text, of := v, 0
		names := []string{"B", "kB", "MB", "GB", "TB", "PB"}
		for text >= 1000 && of < len(names)-1 {
			text, of = text/1000, of+1
		}
		return short(text) + " " + names[of] + strings.TrimPrefix(string(u), "bytes")
	case usd:
		if v < 100 {
			return fmt.Sprintf("%.2f USD", v)
		}
		return Number(math.Round(v)) + " USD"
	case perSecond:
		return short(v) + "/s"
	case plain:
		return short(v)
	}
	return short(v) + " " + string(u)
}

// short is a number of three or four digits that count.
func short(v float64) string {
	if v >= 1000 || v == math.Trunc(v) {
		return Number(math.Round(v))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Number is a number with commas. Of one with a fraction six digits count.
func Number(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return "infinite"
	}
	if v != math.Trunc(v) {
		v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64) // of its own making
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

// Duration is one as people read it: to the second, without empty ends.
func Duration(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
