package settings

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// fillable reports whether assign knows what to do with a type.
func fillable(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Slice && fillable(t.Elem())
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// assign fills dst with a value that is nil, a string or a []string. Its error
// says what is wanted instead.
func assign(dst reflect.Value, value any) error {
	list := dst.Kind() == reflect.Slice && !dst.Addr().Type().Implements(textType)
	switch v := value.(type) {
	case string:
		if list {
			return assignList(dst, split(v))
		}
		return assignText(dst, v)
	case []string:
		if list {
			return assignList(dst, v)
		}
		return errors.New("a single value")
	case nil:
		return errors.New(`a value; "" is empty text, [] an empty list, and without the line the default holds`)
	}
	panic(fmt.Sprintf("BUG: a value of type %T", value))
}

// split parts a list that is written in one line, as the environment and
// flags have it.
func split(text string) []string {
	if text == "" {
		return nil
	}
	elements := strings.Split(text, ",")
	for i := range elements {
		elements[i] = strings.TrimSpace(elements[i])
	}
	return elements
}

func assignList(dst reflect.Value, elements []string) error {
	list := reflect.MakeSlice(dst.Type(), len(elements), len(elements))
	for i, text := range elements {
		if err := assignText(list.Index(i), text); err != nil {
			return fmt.Errorf("a list in which each element is %w", err)
		}
	}
	dst.Set(list)
	return nil
}

func assignText(dst reflect.Value, text string) error {
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("a valid value: %w", err)
		}
		return nil
	}
	if dst.Type() == durationType {
		d, err := duration(text)
		dst.SetInt(int64(d))
		return err
	}
	switch dst.Kind() {
	case reflect.String:
		dst.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("true or false")
		}
		dst.SetBool(text == "true")
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, dst.Type().Bits())
		if err != nil {
			return errors.New("a number such as 0.5")
		}
		dst.SetFloat(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := integer(text)
		if err != nil {
			return err
		}
		if n < 0 || dst.OverflowUint(uint64(n)) {
			return fmt.Errorf("a whole number from 0 to %d", ^uint64(0)>>(64-dst.Type().Bits()))
		}
		dst.SetUint(uint64(n))
	default: // the signed integers; see fillable
		n, err := integer(text)
		if err != nil {
			return err
		}
		if dst.OverflowInt(n) {
			top := int64(1)<<(dst.Type().Bits()-1) - 1
			return fmt.Errorf("a whole number from %d to %d", -top-1, top)
		}
		dst.SetInt(n)
	}
	return nil
}

var errDuration = errors.New("a duration with its unit, such as 700ms, 30s, 1h30m or 30d")

// duration reads a duration as Go writes it, or whole days: 30d.
func duration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 16) // as many as fit a Duration, and 89 years
		if err != nil {
			return 0, errDuration
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errDuration
	}
	return d, nil
}

var errInteger = errors.New("a whole number such as 100000 or 100_000, or a size such as 384MiB")

// units are the multiples a whole number may be written in. A bare K or M is
// not among them: half of their users mean 1000 by it and half 1024.
var units = map[string]int64{
	"": 1, "B": 1,
	"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// integer reads a whole number or a size.
func integer(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGTik ")
	unit, ok := units[strings.TrimSpace(text[len(digits):])]
	if !ok {
		return 0, errInteger
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(digits, "_", ""), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), n*unit/unit != n:
		return 0, errors.New("a whole number below 2^63")
	case err != nil:
		return 0, errInteger
	}
	return n * unit, nil
}
