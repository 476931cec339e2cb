package transport

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// lookEvery is how long what was read is used without another look at the files.
// Smaller: a node whose connections break reads files for each. Larger: a new
// certificate is used later.
const lookEvery = time.Second

// names are the files that belong together; each may be "" for none.
type names struct {
	cert, key, ca string
}

// material is what a set of files holds.
type material struct {
	cert *tls.Certificate // nil for none
	pool *x509.CertPool   // nil for none
}

// Reload tells what became of files that have changed.
type Reload struct {
	// Files are those that belong together.
	Files []string
	// Err is why they are not used, and those before them are; nil if they are.
	Err error
	// Expires is when the certificate ends that the program now shows to others;
	// zero if it has none.
	Expires time.Time
}

// keeper keeps what a set of files holds. It looks for changes by reading them: a
// file may be replaced within the same second, and of a link in a mounted secret
// neither name nor time of the file itself change.
type keeper struct {
	names names

	mu     sync.Mutex // guards what follows
	text   [3][]byte  // what now was made of
	now    *material  // nil before anything could be read
	looked time.Time
	fault  string // told last; "" if nothing is wrong
}

// keepers are all that the process has, and whom they tell.
var keepers struct {
	mu   sync.Mutex // guards what follows
	all  map[names]*keeper
	tell func(Reload)
}

// Notify has tell called with every change of a file that is in use. A program
// calls it before it reaches anything.
func Notify(tell func(Reload)) {
	keepers.mu.Lock()
	defer keepers.mu.Unlock()
	keepers.tell = tell
}

func notify(r Reload) {
	keepers.mu.Lock()
	tell := keepers.tell
	keepers.mu.Unlock()
	if tell != nil {
		tell(r)
	}
}

// current returns what the files hold. It is an error only if they never held
// anything that can be used: a pair that is half replaced leaves the one before.
func (n names) current() (*material, error) {
	keepers.mu.Lock()
	k := keepers.all[n]
	if k == nil {
		k = &keeper{names: n}
		if keepers.all == nil {
			keepers.all = map[names]*keeper{}
		}
		keepers.all[n] = k
	}
	keepers.mu.Unlock()
	return k.current()
}

func (k *keeper) current() (*material, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now != nil && time.Since(k.looked) < lookEvery {
		return k.now, nil
	}
	k.looked = time.Now()
	text, err := k.names.read()
	same := err == nil && k.now != nil
	for i := range text {
		same = same && bytes.Equal(text[i], k.text[i])
	}
	if same && k.fault == "" {
		return k.now, nil
	}
	var read *material
	if err == nil {
		read, err = k.names.parse(text)
	}
	if err != nil {
		if k.now == nil {
			return nil, err
		}
		if k.fault != err.Error() {
			k.fault = err.Error()
			notify(Reload{Files: k.names.given(), Err: err, Expires: k.now.expires()})
		}
		return k.now, nil
	}
	first := k.now == nil
	k.text, k.now, k.fault = text, read, ""
	if !first {
		notify(Reload{Files: k.names.given(), Expires: read.expires()})
	}
	return k.now, nil
}

func (m *material) expires() time.Time {
	if m.cert == nil {
		return time.Time{}
	}
	return m.cert.Leaf.NotAfter
}

// given are the files that there are.
func (n names) given() (all []string) {
	for _, name := range []string{n.cert, n.key, n.ca} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

func (n names) read() (text [3][]byte, err error) {
	for i, name := range []string{n.cert, n.key, n.ca} {
		if name == "" {
			continue
		}
		if text[i], err = os.ReadFile(name); err != nil {
			return text, err
		}
	}
	return text, nil
}

func (n names) parse(text [3][]byte) (*material, error) {
	m := &material{}
	if n.cert != "" {
		pair, err := tls.X509KeyPair(text[0], text[1])
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", n.cert, n.key, err)
		}
		m.cert = &pair
	}
	if n.ca != "" {
		pool, err := authorities(text[2])
		if err != nil {
			return nil, fmt.Errorf("authorities of %s: %w", n.ca, err)
		}
		m.pool = pool
	}
	return m, nil
}

// authorities is x509's AppendCertsFromPEM, but for a file that is cut off, of
// which that would take the certificates that are whole.
func authorities(text []byte) (*x509.CertPool, error) {
	pool, found := x509.NewCertPool(), false
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		pool.AddCert(cert)
		found = true
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, errors.New("it ends within a certificate")
	case !found:
		return nil, errors.New("it has no certificate in PEM")
	}
	return pool, nil
}
