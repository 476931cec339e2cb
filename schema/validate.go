package schema

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// identifier is what a column may be called: it stands in DDL, in JSON and in
// Parquet, and must need no escaping in any of them.
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// codec keeps a schema file from smuggling SQL into the DDL.
var codec = regexp.MustCompile(`^[A-Za-z0-9]+(\([0-9, ]*\))?(, ?[A-Za-z0-9]+(\([0-9, ]*\))?)*$`)

// validate reports to f every value that is wrong by itself or beside others.
func (s *Schema) validate(f *file) {
	check := func(key string, ok bool, format string, args ...any) {
		if !ok {
			f.fault(key, format, args...)
		}
	}
	check("name", identifier.MatchString(s.Name), "name is %q; want letters, digits and _, at most 64", s.Name)
	check("version", s.Version >= 1, "version is %d; the first is 1", s.Version)
	check("fields", len(s.Fields) > 0, "fields is empty; an event needs at least a device, an identity and a time")

	// Readers of Parquet do not tell names apart by case.
	names, ids := map[string]bool{}, map[int]string{}
	for _, c := range ownColumns {
		names[c.Name] = true
	}
	for _, name := range pathColumns {
		names[name] = true
	}
	for i, c := range s.Fields {
		at := func(key string) string { return fmt.Sprintf("fields[%d].%s", i, key) }
		check(at("name"), identifier.MatchString(c.Name), "field %q: the name may have letters, digits and _, at most 64", c.Name)
		check(at("name"), !names[strings.ToLower(c.Name)], "field %q: the name is taken; rename it", c.Name)
		names[strings.ToLower(c.Name)] = true
		check(at("id"), c.ID >= 1 && c.ID < firstOwnID, "field %s: id is %d; want 1 to %d", c.Name, c.ID, firstOwnID-1)
		other, taken := ids[c.ID]
		check(at("id"), !taken || c.ID == 0, "field %s: id %d belongs to %s; take the next free one", c.Name, c.ID, other)
		ids[c.ID] = c.Name
		check(at("type"), c.Type.known(), "field %s: type is %q; want one of %v", c.Name, c.Type, Types())
		check(at("low_cardinality"), !c.LowCardinality || c.Type == String || !c.Type.known(), "field %s: low_cardinality is for strings, not %s", c.Name, c.Type)
		check(at("low_cardinality"), !c.LowCardinality || !c.Nullable, "field %s: low_cardinality and nullable together; drop nullable, absent is ''", c.Name)
		check(at("nullable"), !c.Required || !c.Nullable, "field %s: required and nullable contradict each other; drop one", c.Name)
		check(at("codec"), c.Codec == "" || codec.MatchString(c.Codec), "field %s: codec is %q; want for example \"Delta, ZSTD(1)\"", c.Name, c.Codec)
		check(at("since"), c.Since >= 0 && c.Since <= s.Version, "field %s: since is %d; want 0 to the schema's version, %d", c.Name, c.Since, s.Version)
		s.validateSource(c, f, at)
	}

	need := func(key, name string, types ...Type) {
		c, ok := s.field(name)
		check(key, ok, "%s names %q, which is no field", key, name)
		check(key, !ok || c.Required, "%s is field %s, which must be required", key, name)
		check(key, !ok || !c.Type.known() || slices.Contains(types, c.Type), "%s is field %s of type %s; want one of %v", key, name, c.Type, types)
		check(key, !ok || !c.LowCardinality, "%s is field %s, which is low_cardinality; drop that, its values are many", key, name)
	}
	need("device", s.Device, String)
	need("time.field", s.Time.Field, TimestampMS)
	check("time.not_before", !s.Time.NotBefore.Before(time.UnixMilli(0)),
		"time.not_before is %s; want 1970-01-01T00:00:00Z or later, the first day of ClickHouse", s.Time.NotBefore.Format(time.RFC3339))
	check("time.max_ahead", s.Time.MaxAhead > 0, "time.max_ahead is %v; want a positive duration such as 24h", s.Time.MaxAhead)
	check("time.ahead", slices.Contains([]Ahead{"", AheadReject, AheadClamp}, s.Time.Ahead), "time.ahead is %q; want %s or %s", s.Time.Ahead, AheadReject, AheadClamp)
	switch len(s.Identity) {
	case 1:
		need("identity", s.Identity[0], String, UInt64)
	case 2:
		check("identity", s.Identity[0] == s.Device, "identity is %v; of two fields the first must be the device, %s", s.Identity, s.Device)
		need("identity", s.Identity[1], UInt64)
	default:
		check("identity", false, "identity is %v; want [device, sequence number] or one field", s.Identity)
	}
	s.rollupFaults(check)
}
