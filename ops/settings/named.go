package settings

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Named are sections of one shape, T, under names that the user chooses:
// streams.trucks.kafka.topic is kafka.topic of the section trucks of streams.
type Named[T any] struct {
	// Begin returns what a section holds before its own settings. It is called
	// once everything that is not in such a section has its value, so that this
	// can be the default.
	Begin func(name string) T

	all map[string]*T
}

// Names returns the sections' names, in order.
func (n Named[T]) Names() []string { return slices.Sorted(maps.Keys(n.all)) }

// Get returns the section of a name that there is.
func (n Named[T]) Get(name string) T { return *n.all[name] }

// begin adds a section and returns it as a struct to be filled.
func (n *Named[T]) begin(name string) reflect.Value {
	section := n.Begin(name)
	if n.all == nil {
		n.all = make(map[string]*T)
	}
	n.all[name] = &section
	return reflect.ValueOf(&section).Elem()
}

// beginner is any [Named].
type beginner interface {
	begin(name string) reflect.Value
}

// beginnerOf returns a field as sections that are named, or nil.
func beginnerOf(v reflect.Value) beginner {
	b, _ := v.Addr().Interface().(beginner)
	return b
}

// sectionName is what a section may be called: also a variable of the
// environment can name it, and what is made of it, such as a consumer group.
var sectionName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// within returns the named sections that a key is in, and which of them.
func (f fields) within(key string) (of, name string, ok bool) {
	for i := range key {
		if key[i] != '.' || f[key[:i]].named == nil {
			continue
		}
		name, _, _ := strings.Cut(key[i+1:], delim)
		return key[:i], name, true
	}
	return "", "", false
}

// name adds the fields of a named section, if they are not there already.
func (f fields) name(of, name string) error {
	key := of + delim + name
	if _, known := f[key]; known {
		return nil
	}
	if !sectionName.MatchString(name) || strings.Contains(name, "__") {
		return fmt.Errorf("%s is no name for a section of %s; want a small letter, then small letters, digits, - or single _, 63 in all at most", key, of)
	}
	f[key] = field{}
	f.add(key+delim, f[of].named.begin(name))
	return nil
}
