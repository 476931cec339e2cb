package main

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/pflag"

	"penstock/transport"
)

// securityFlags adds a flag for every setting of how a server is reached, which are
// those of the programs' own config: kafka.tls.ca_file is --kafka-tls-ca-file.
func securityFlags(f *pflag.FlagSet, prefix string, settings any) {
	fieldFlags(f, prefix, reflect.ValueOf(settings).Elem())
}

func fieldFlags(f *pflag.FlagSet, prefix string, v reflect.Value) {
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("koanf"), ",")
		name := strings.TrimSuffix(prefix+"-"+strings.ReplaceAll(key, "_", "-"), "-")
		usage := "as the setting of ingest"
		switch at := v.Field(i).Addr().Interface().(type) {
		case *bool:
			f.BoolVar(at, name, false, usage)
		case *[]string:
			f.StringSliceVar(at, name, nil, usage)
		case *transport.Secret:
			secretFlags(f, name, at, usage)
		default:
			switch field := v.Field(i); field.Kind() {
			case reflect.String:
				f.Func(name, usage, func(text string) error { field.SetString(text); return nil })
			case reflect.Struct:
				fieldFlags(f, name, field)
			default:
				panic(fmt.Sprintf("BUG: --%s would be a %s", name, field.Type()))
			}
		}
	}
}

// secretFlags are for a secret itself, and for a file that has it.
func secretFlags(f *pflag.FlagSet, name string, secret *transport.Secret, usage string) {
	variable := envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	f.Func(name, usage+"; "+variable+" keeps it out of the process list", func(text string) error { return secret.UnmarshalText([]byte(text)) })
	f.Func(name+"-file", usage+", in a file", func(path string) error { secret.FromFile(path); return nil })
}
