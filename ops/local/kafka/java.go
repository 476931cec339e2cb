package kafka

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// oldestJava is the oldest version Kafka 4 runs on.
const oldestJava = 17

// FindJava is nil if the java on the PATH can run Kafka; otherwise the error
// says what is there and what to install.
func FindJava(ctx context.Context) error {
	const remedy = "install it, for example: apt-get install -y openjdk-17-jre-headless; or use --kafka=kfake"
	if _, err := exec.LookPath("java"); err != nil {
		return fmt.Errorf("java is missing; Apache Kafka needs Java %d or newer; %s", oldestJava, remedy)
	}
	out, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput()
	if err != nil {
		return fmt.Errorf("java -version: %w: %s; Apache Kafka needs Java %d or newer; %s",
			err, strings.TrimSpace(string(out)), oldestJava, remedy)
	}
	version, err := javaVersion(string(out))
	if err != nil {
		return fmt.Errorf("%w; Apache Kafka needs Java %d or newer; %s", err, oldestJava, remedy)
	}
	if version < oldestJava {
		return fmt.Errorf("java is version %d; Apache Kafka needs Java %d or newer; %s", version, oldestJava, remedy)
	}
	return nil
}

var quotedVersion = regexp.MustCompile(`version "(\d+)(?:\.(\d+))?`)

// javaVersion is the feature release in what java -version says. Up to 8 it was
// the second number: "1.8.0_392".
func javaVersion(said string) (int, error) {
	match := quotedVersion.FindStringSubmatch(said)
	if match == nil {
		return 0, fmt.Errorf("java -version names no version: %q", said)
	}
	number := match[1]
	if number == "1" && match[2] != "" {
		number = match[2]
	}
	version, err := strconv.Atoi(number)
	if err != nil {
		return 0, fmt.Errorf("java -version names version %q: %w", number, err)
	}
	return version, nil
}

// Choose settles which Kafka to run. A kind that is asked for is taken or
// refused; "" means Apache where it can run, and kfake otherwise, with the
// reason as a note to show.
func Choose(ctx context.Context, asked Kind) (chosen Kind, note string, err error) {
	switch asked {
	case KFake:
		return KFake, "", nil
	case Apache:
		return Apache, "", FindJava(ctx)
	case "":
		if err := FindJava(ctx); err != nil {
			if ctx.Err() != nil {
				return "", "", context.Cause(ctx)
			}
			return KFake, fmt.Sprintf("kafka is kfake, not Apache Kafka: %v", err), nil
		}
		return Apache, "", nil
	default:
		return "", "", errors.New("--kafka is " + strconv.Quote(string(asked)) + "; use apache or kfake")
	}
}
