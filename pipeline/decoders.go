package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"penstock/schema"
	"penstock/transport"
)

// Registry is the schema registry that the topic's records name their schemas in.
type Registry struct {
	// URL is the registry's, such as http://localhost:8081. With it every record
	// has to be in Confluent's wire format: a zero, the id of its schema, and the
	// value in kafka.encoding. The default is none, and records are the value alone.
	URL string `koanf:"url"`
	// User and Password are for basic authentication, such as a cloud's API key and
	// its secret; Token is sent as a bearer's instead. The default is neither.
	User     string           `koanf:"user"`
	Password transport.Secret `koanf:"password"`
	Token    transport.Secret `koanf:"token"`
	// TLS is for a URL with https.
	TLS transport.Certificates `koanf:"tls"`
	// Patience is how old a record gets while the node waits for its schema, which the
	// registry says it does not know; then it is rejected. All that its lane reads
	// waits with it. Smaller: a device that makes ids up holds up others for less.
	// Larger: a producer may be further ahead of the registry. A registry that does
	// not answer is waited for as long as it takes. The default value is 15 s.
	Patience time.Duration `koanf:"patience"`
	// MaxBytes bounds a schema, and any other answer; the records of a larger one are
	// rejected. The default value is 1 MiB.
	MaxBytes int `koanf:"max_bytes"`
}

func (r Registry) validate() error {
	if r.URL == "" {
		r.Patience, r.MaxBytes = 0, 0 // have defaults that are of no use without one, and do no harm
		if r != (Registry{}) {
			return errors.New("kafka.registry has settings and no url; give kafka.registry.url, or drop them")
		}
		return nil
	}
	var errs []error
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		errs = append(errs, fmt.Errorf("kafka.registry.url is %q; want one such as http://localhost:8081", r.URL))
	case u.User != nil:
		errs = append(errs, fmt.Errorf("kafka.registry.url is %q; a URL is shown in errors: give kafka.registry.user and kafka.registry.password", u.Redacted()))
	case u.Scheme == "http" && r.TLS != (transport.Certificates{}):
		errs = append(errs, fmt.Errorf("kafka.registry.url is %q, and kafka.registry.tls would not be used; begin it with https", r.URL))
	}
	if r.Token.Given() && (r.User != "" || r.Password.Given()) {
		errs = append(errs, errors.New("kafka.registry has a token and a user or password; keep one"))
	}
	if r.Patience < 0 {
		errs = append(errs, fmt.Errorf("kafka.registry.patience is %v; want at least 0, and rather 15s", r.Patience))
	}
	if r.MaxBytes < 1 {
		errs = append(errs, fmt.Errorf("kafka.registry.max_bytes is %d; want at least 1, and rather 1048576", r.MaxBytes))
	}
	return errors.Join(append(errs, r.Password.Validate("kafka.registry.password"), r.Token.Validate("kafka.registry.token"), r.TLS.Validate("kafka.registry.tls"))...)
}

// client returns a client that does not repeat what fails: persistence does, and
// tells of it.
func (r Registry) client() (*sr.Client, error) {
	client := r.TLS.Client(registryTimeout)
	client.Transport = bounded{client.Transport, int64(r.MaxBytes)}
	return sr.NewClient(sr.URLs(r.URL), sr.UserAgent("penstock-ingest"), sr.HTTPClient(client), sr.PreReq(r.authorize))
}

// registryTimeout bounds one question to the registry.
const registryTimeout = 5 * time.Second

// authorize says with each request who asks.
func (r Registry) authorize(request *http.Request) error {
	password, err := r.Password.Reveal()
	if err != nil {
		return err
	}
	token, err := r.Token.Reveal()
	if err != nil {
		return err
	}
	switch {
	case token != "":
		request.Header.Set("Authorization", "Bearer "+token)
	case r.User != "" || password != "":
		request.SetBasicAuth(r.User, password)
	}
	return nil
}

// explain returns err as [transport.Refused], with what mends it, if the registry
// does not let the node in.
func (r Registry) explain(err error) error {
	var response *sr.ResponseError
	if errors.As(err, &response) && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden) {
		return &transport.Refused{
			Err:       fmt.Errorf("%w (%d); correct kafka.registry.user and kafka.registry.password, or kafka.registry.token, or what they may read", err, response.StatusCode),
			Renewable: r.Password.Renewable() || r.Token.Renewable(),
		}
	}
	return transport.Explain("kafka.registry.tls", err)
}

// Decoders makes decoders of a topic's records, for whoever needs one, and has
// what they share: the schemas records were written by. A schema is asked for
// when the first record comes that names it, and kept for ever, since no registry
// changes one.
//
// A registry that is away is asked again for as long as it takes: a record whose
// schema is unknown is neither stored nor rejected, and its partition waits for it.
// Why not a reject? A fleet would be in the dead-letter topic. One that does not
// know an id is asked until the record is Patience old, since a producer may be
// ahead of a registry's replica; but any device can name an id that never was.
type Decoders struct {
	encoding schema.Encoding
	maxBytes int
	bounds   schema.Bounds
	patience time.Duration
	writers  *schema.Writers // nil if records need no writer's schema
	registry *sr.Client      // nil if there is none
	explain  func(error) error
	again    persistence
}

// OpenDecoders reaches nothing; it fails if what the config names is not there, or
// can never be an event of s.
func OpenDecoders(cfg Config, s *schema.Schema, events Events) (*Decoders, error) {
	k := cfg.Kafka
	d := &Decoders{encoding: k.Encoding, maxBytes: cfg.MaxRecordBytes, bounds: cfg.Bounds.Bounds, patience: k.Registry.Patience, again: persistence{what: "registry", verdict: fateOfRegistry, events: events.ensure()}}
	var err error
	switch {
	case k.Registry.URL != "":
		d.writers, d.explain = schema.RegisteredWriters(k.Encoding), k.Registry.explain
		if d.registry, err = k.Registry.client(); err != nil {
			return nil, fmt.Errorf("kafka.registry: %w", err)
		}
	case k.Encoding == schema.Avro:
		text, err := os.ReadFile(k.AvroSchema)
		if err != nil {
			return nil, fmt.Errorf("kafka.avro_schema: %w", err)
		}
		if d.writers, err = schema.PlainAvro(string(text)); err == nil {
			_, err = schema.NewWrittenDecoder(s, d.writers, d.maxBytes)
		}
		if err != nil {
			return nil, fmt.Errorf("kafka.avro_schema %s: %w", k.AvroSchema, err)
		}
	}
	return d, nil
}

// New returns a decoder for events of s.
func (d *Decoders) New(s *schema.Schema) *schema.Decoder {
	if d.writers == nil {
		return schema.NewDecoder(s, d.encoding, d.maxBytes).Within(d.bounds)
	}
	decoder, err := schema.NewWrittenDecoder(s, d.writers, d.maxBytes)
	if err != nil {
		panic("BUG: a writer's schema that no longer fits: " + err.Error())
	}
	return decoder.Within(d.bounds)
}

// Await makes sure that the record's value can be decoded, or is known to be a
// reject. It lasts until its schema is known; it is an error if ctx ends, or a
// person has to act.
func (d *Decoders) Await(ctx context.Context, r *kgo.Record) error {
	if want := d.missing([]*kgo.Record{r}); want != nil {
		return d.learn(ctx, want)
	}
	return nil
}

// wanted is a schema that has to be learned before records can be decoded.
type wanted struct {
	id    uint32
	until time.Time // the registry may not know it
}

// missing returns the first schema that has to be learned before the records can
// be decoded, nil if none has.
func (d *Decoders) missing(records []*kgo.Record) *wanted {
	if d.registry == nil {
		return nil
	}
	for _, r := range records {
		if id, missing := d.writers.Missing(r.Value); missing {
			return &wanted{id, time.UnixMilli(arrival(r, time.Now())).Add(d.patience)}
		}
	}
	return nil
}

// learn asks the registry for a schema until it has it, or it is of no use to wait.
func (d *Decoders) learn(ctx context.Context, want *wanted) error {
	_, err := d.again.do(ctx, func(ctx context.Context) error {
		text, err := d.ask(ctx, want.id)
		switch {
		case err == nil:
			d.writers.Learn(want.id, text)
		case unusable(err):
			d.writers.Refuse(want.id, err)
		case unknown(err) && (d.writers.Doubted(want.id) || time.Now().After(want.until)):
			d.writers.Doubt(want.id, err, time.Now().Add(askUnknown))
		default:
			return fmt.Errorf("schema id %d, which records wait for: %w", want.id, d.explain(err))
		}
		return nil
	})
	return err
}

// askUnknown is how long an id that the registry did not know is taken for one that
// is made up.
const askUnknown = time.Minute

// encodingOf is what a registry's type of a schema is a schema of.
var encodingOf = map[sr.SchemaType]schema.Encoding{sr.TypeAvro: schema.Avro, sr.TypeProtobuf: schema.Protobuf, sr.TypeJSON: schema.JSON}

// ask fetches a schema and all it refers to.
func (d *Decoders) ask(ctx context.Context, id uint32) (schema.Written, error) {
	s, err := d.registry.SchemaByID(ctx, int(id))
	if err != nil {
		return schema.Written{}, err
	}
	out := schema.Written{Encoding: encodingOf[s.Type], Text: s.Schema}
	out.References, err = d.references(ctx, s.References, map[sr.SchemaReference]bool{})
	return out, err
}

// references returns the schemas, each after those it refers to itself and only once.
func (d *Decoders) references(ctx context.Context, refs []sr.SchemaReference, seen map[sr.SchemaReference]bool) (all []schema.Reference, err error) {
	for _, ref := range refs {
		if seen[ref] {
			continue
		}
		if seen[ref] = true; len(seen) > maxReferences {
			return nil, fmt.Errorf("%w: it refers to more than %d others", errSchemaTooLarge, maxReferences)
		}
		s, err := d.registry.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return nil, fmt.Errorf("its reference %s, version %d of %s: %w", ref.Name, ref.Version, ref.Subject, err)
		}
		deeper, err := d.references(ctx, s.References, seen)
		if err != nil {
			return nil, err
		}
		all = append(append(all, deeper...), schema.Reference{Name: ref.Name, Text: s.Schema.Schema})
	}
	return all, nil
}

// fateOfRegistry is stop if the registry refuses who asks, and retry otherwise:
// it is away, or does not know the id yet.
func fateOfRegistry(err error) (fate, error) {
	f, _ := fateOfRefusal(err)
	return f, err
}

// checkRegistry asks the registry what it has schemas of.
func checkRegistry(ctx context.Context, k Kafka, report func(string)) error {
	if k.Registry.URL == "" || k.Encoding == schema.JSON {
		return nil // which needs no schema to be decoded
	}
	client, err := k.Registry.client()
	if err != nil {
		return fmt.Errorf("kafka.registry: %w", err)
	}
	types, err := client.SupportedTypes(ctx)
	if err != nil {
		err = fmt.Errorf("kafka.registry.url %s: %w", k.Registry.URL, k.Registry.explain(err))
		if _, refused := fateOfRefusal(err); refused {
			return err
		}
		return &Unreachable{err}
	}
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	report("schema registry: has schemas of " + strings.Join(names, ", "))
	return nil
}

// lookup is a schema that a lane waits for. At most one is asked for at a time:
// nothing is decoded meanwhile, and what waits behind the chunk may name others.
type lookup struct {
	done   chan error // has the outcome, once
	cancel context.CancelFunc
}

// outcome returns the channel of what the lane waits for, nil if it waits for
// nothing.
func (l *lookup) outcome() <-chan error {
	if l == nil {
		return nil
	}
	return l.done
}

// readable returns c, or nil if a schema has first to be known, which it begins
// to ask for. The lane goes on meanwhile with everything but decoding: it seals,
// and gives partitions up.
func (l *lane) readable(ctx context.Context, c *chunk) *chunk {
	if c == nil || c.readable {
		return c
	}
	if l.lookup != nil {
		return nil
	}
	want := l.decoders.missing(c.records)
	if c.readable = want == nil; c.readable {
		return c
	}
	ctx, cancel := context.WithCancel(ctx)
	look := &lookup{done: make(chan error, 1), cancel: cancel}
	l.lookup = look
	l.lookups.Go(func() { look.done <- l.decoders.learn(ctx, want) })
	return nil
}

// found ends a lookup.
func (l *lane) found(err error) error {
	l.forgo()
	return err
}

// forgo gives up what is looked up, if anything is: what needs it is no longer
// the lane's, or asks again.
func (l *lane) forgo() {
	if l.lookup != nil {
		l.lookup.cancel()
		l.lookup = nil
	}
}
