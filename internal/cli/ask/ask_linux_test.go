package ask_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/keypin/keypin/internal/cli/ask"
)

// What to do to a terminal (ioctl_tty(2)); the numbers that package syscall lacks.
const (
	flow    = 0x540A // TCXONC
	stopped = 0      // TCOOFF: who writes to it waits
	flowing = 1      // TCOON
	free    = syscall.TIOCSPTLCK
	number  = syscall.TIOCGPTN
)

// terminal is a new terminal, and the end at which somebody sits.
func terminal(t *testing.T) (end, tty *os.File) {
	t.Helper()
	end = opened(t, "/dev/ptmx")
	var locked, n int32
	control(t, end, free, uintptr(unsafe.Pointer(&locked)))
	control(t, end, number, uintptr(unsafe.Pointer(&n)))
	return end, opened(t, fmt.Sprintf("/dev/pts/%d", n))
}

func opened(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func control(t *testing.T, f *os.File, what, with uintptr) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), what, with); errno != 0 {
		t.Fatalf("ioctl %#x: %v", what, errno)
	}
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	var state syscall.Termios
	control(t, tty, syscall.TCGETS, uintptr(unsafe.Pointer(&state)))
	if state.Lflag&syscall.ISIG == 0 {
		t.Error("Ctrl-C is not a signal")
	}
	return state.Lflag&syscall.ECHO != 0
}

// A terminal that is stopped takes no question. What is typed is hidden already.
func TestASecretIsHiddenBeforeThePlainQuestionIsThere(t *testing.T) {
	t.Parallel()
	end, tty := terminal(t)
	asker := ask.New(tty, tty, func(name string) string { return map[string]string{"ACCESSIBLE": "1"}[name] })
	control(t, tty, flow, stopped)
	answer := make(chan string, 1)
	go func() {
		secret, err := asker.Secret(context.Background(), "Key to verify", "")
		answer <- fmt.Sprint(secret.Reveal(), err)
	}()
	for deadline := time.Now().Add(5 * time.Second); echoes(t, tty); {
		if time.Now().After(deadline) {
			t.Error("the terminal shows what is typed while the question is written")
			break
		}
	}
	if _, err := end.WriteString("hunter2\n"); err != nil {
		t.Fatal(err)
	}
	control(t, tty, flow, flowing)
	if got := <-answer; got != "hunter2<nil>" {
		t.Errorf("the answer is %q", got)
	}
	if !echoes(t, tty) {
		t.Error("the terminal was left without its echo")
	}
	shown := make([]byte, 4096)
	n, err := end.Read(shown)
	if text := string(shown[:n]); err != nil || !strings.Contains(text, "Key to verify") || strings.Contains(text, "hunter2") {
		t.Errorf("the screen: %q, %v", text, err)
	}
}
