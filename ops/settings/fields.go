package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// fields are the settings of a config, by full key.
type fields map[string]field

// field is one setting, or a section of them, whose value is then unset.
type field struct {
	value reflect.Value
	named beginner // not nil: the section's own sections have names of the user's choice
	// secret: the value is not to be seen; by a key of the suffix fromFile it is the
	// file that has it.
	secret   bool
	fromFile bool
}

// secret is a type whose value may also be given as the file that has it, by the
// same key with fileSuffix. What such a field is given is never shown.
type secret interface{ FromFile(path string) }

const fileSuffix = "_file"

func (f field) section() bool { return !f.value.IsValid() }

// fieldsOf returns the fields of dst, a pointer to a struct.
func fieldsOf(dst any) fields {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("BUG: settings are loaded into a pointer to a struct, not into %T", dst))
	}
	known := make(fields)
	known.add("", v.Elem())
	return known
}

func (f fields) add(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag, options, _ := strings.Cut(sf.Tag.Get("koanf"), ",")
		embedded := sf.Anonymous && sf.Type.Kind() == reflect.Struct && tag == ""
		key := prefix + tag
		switch {
		case tag == "-" || !sf.IsExported():
		case embedded || options == "squash":
			f.add(prefix, v.Field(i))
		case tag == "":
			panic(fmt.Sprintf("BUG: field %s of %s has no koanf tag; name its key, or - for none", sf.Name, v.Type()))
		case fillable(sf.Type):
			_, hidden := v.Field(i).Addr().Interface().(secret)
			f[key] = field{value: v.Field(i), secret: hidden}
			if hidden {
				f[key+fileSuffix] = field{value: v.Field(i), fromFile: true}
			}
		case beginnerOf(v.Field(i)) != nil:
			f[key] = field{named: beginnerOf(v.Field(i))}
		case sf.Type.Kind() == reflect.Struct:
			f[key] = field{}
			f.add(key+delim, v.Field(i))
		default:
			panic(fmt.Sprintf("BUG: settings cannot fill field %s of %s, a %s", sf.Name, v.Type(), sf.Type))
		}
	}
}

// setAll fills the fields, and returns the fault of each that is given, nil for
// none. Named sections come last: they begin as what is set outside of them.
func (f fields) setAll(all []given) []error {
	faults := make([]error, len(all))
	secrets := make(map[string]given) // the last by the key without fileSuffix
	for _, named := range []bool{false, true} {
		for i, g := range all {
			switch _, _, within := f.within(g.key); {
			case within != named:
				continue
			case g.fault != nil:
				faults[i] = g.fault
				continue
			}
			faults[i] = f.set(g.key, g.value)
			if known := f[g.key]; known.secret || known.fromFile {
				of := strings.TrimSuffix(g.key, fileSuffix)
				if other, ok := secrets[of]; ok && other.layer == g.layer {
					faults[i] = fmt.Errorf("%s is given beside %s (%s); keep one", g.key, other.key, other.origin)
				}
				secrets[of] = g
			}
		}
	}
	return faults
}

// set fills one field. The value is nil, a string or a []string.
func (f fields) set(key string, value any) error {
	if of, name, ok := f.within(key); ok {
		if err := f.name(of, name); err != nil {
			return err
		}
	}
	known, ok := f[key]
	switch {
	case !ok:
		return f.unknown(key)
	case known.section() && value == nil: // a section of which every line is commented out
		return nil
	case known.named != nil:
		return fmt.Errorf("%s is %s; want sections with names of your choice", key, show(key, value))
	case known.section():
		return fmt.Errorf("%s is %s; want a section with some of %s", key, show(key, value), f.below(key))
	case known.fromFile:
		path, ok := value.(string)
		if !ok || path == "" {
			return fmt.Errorf("%s is %s; want the file that has it", key, show(key, value))
		}
		known.value.Addr().Interface().(secret).FromFile(path)
		return nil
	}
	if err := assign(known.value, value); err != nil {
		shown := show(key, value)
		if known.secret {
			shown = "(hidden)"
		}
		return fmt.Errorf("%s is %s; want %w", key, shown, err)
	}
	return nil
}

// unknown says what may have been meant.
func (f fields) unknown(key string) error {
	for i := range key {
		if parent, ok := f[key[:i]]; key[i] == '.' && ok && !parent.section() {
			return fmt.Errorf("%s is not a setting; %s is a value, not a section", key, key[:i])
		}
	}
	if near := f.nearest(key); near != "" {
		return fmt.Errorf("%s is not a setting; did you mean %s?", key, near)
	}
	section := ""
	if i := strings.LastIndex(key, delim); i > 0 && f[key[:i]].section() {
		section = key[:i]
	}
	if names := f.below(section); names != "" {
		return fmt.Errorf("%s is not a setting; there are %s", key, names)
	}
	return fmt.Errorf("%s is not a setting; there are %s", key, f.below(""))
}

// below lists the keys one level below a section, or at the top.
func (f fields) below(section string) string {
	prefix := section
	if section != "" {
		prefix += delim
	}
	var names []string
	for key := range f {
		if name, ok := strings.CutPrefix(key, prefix); ok && !strings.Contains(name, delim) {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// nearest returns the known key most like the one given, or nothing if none
// is: one with the same last name in another section, or a few typing errors
// away. Of a named section it is the section's own.
func (f fields) nearest(key string) string {
	last := key[strings.LastIndex(key, delim)+1:]
	own := ""
	if of, name, ok := f.within(key); ok {
		own = of + delim + name + delim
	}
	best, least := "", max(2, len(last)/3)+1
	for _, known := range slices.Sorted(maps.Keys(f)) {
		if !strings.HasPrefix(known, own) {
			continue
		}
		d := distance(key, known)
		if known[strings.LastIndex(known, delim)+1:] == last {
			d = min(d, 1)
		}
		if d < least {
			best, least = known, d
		}
	}
	return best
}

// distance is Levenshtein's: the least number of letters to insert, remove or
// replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// show quotes a value for its user, unless it is one that must not end up in
// a log.
func show(key string, value any) string {
	name := strings.ToLower(key[strings.LastIndex(key, delim)+1:])
	if strings.HasSuffix(name, fileSuffix) {
		return quoted(value)
	}
	for _, word := range []string{"password", "secret", "token"} {
		if strings.Contains(name, word) {
			return "(hidden)"
		}
	}
	return quoted(value)
}

func quoted(value any) string {
	switch v := value.(type) {
	case nil:
		return "empty"
	case []string:
		return fmt.Sprintf("the list %q", v)
	default:
		return fmt.Sprintf("%q", v)
	}
}
