package torture

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// The moments that kills aim at, each seen from outside the product.
const (
	topicSpawned   = "spawned"   // enrich serve was started
	topicFollowing = "following" // it says that it follows
	topicAlert     = "alert"     // analysisd has appended an alert of group vault
	topicOpened    = "opened"    // somebody opened a file of the journal
	topicJournal   = "journal"   // the hook has written into the journal
	topicWAL       = "wal"       // the store's write-ahead log has changed
	topicAsked     = "asked"     // Vault has written an audit record
	topicDatagram  = "datagram"  // an event of ours has reached the queue socket
	topicEcho      = "echo"      // analysisd has appended an event of ours to alerts.json
	topicSealing   = "sealing"   // the product says that a plan was written
	topicOrder     = "order"     // an order has reached the API
	topicReport    = "report"    // vault-seal has written its report
	topicSealed    = "sealed"    // the product says that the plan has ended
	topicResponse  = "response"  // an event about a plan is in alerts.json
)

// bus tells moments to whoever waits for them.
type bus struct {
	mu      sync.Mutex
	waiting map[string][]*waiter
}

type waiter struct {
	skip int
	hit  chan struct{}
}

func newBus() *bus { return &bus{waiting: make(map[string][]*waiter)} }

// once returns a channel that is closed when topic has come skip+1 times, and what ends the waiting.
func (b *bus) once(topic string, skip int) (<-chan struct{}, func()) {
	w := &waiter{skip: skip, hit: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[topic] = append(b.waiting[topic], w)
	return w.hit, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.waiting[topic] = slices.DeleteFunc(b.waiting[topic], func(other *waiter) bool { return other == w })
	}
}

func (b *bus) tell(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting[topic]) == 0 {
		return
	}
	b.waiting[topic] = slices.DeleteFunc(b.waiting[topic], func(w *waiter) bool {
		if w.skip > 0 {
			w.skip--
			return false
		}
		close(w.hit)
		return true
	})
}

// inotify tells what happens in folders.
type inotify struct {
	file *os.File
	done chan struct{}
	told map[int32]func(name string, mask uint32)
}

// watchFolders begins to watch. Each function is called from one goroutine.
func watchFolders(folders map[string]func(name string, mask uint32)) (*inotify, error) {
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	n := &inotify{file: os.NewFile(uintptr(fd), "inotify"), done: make(chan struct{}), told: make(map[int32]func(string, uint32))}
	for folder, tell := range folders {
		wd, err := syscall.InotifyAddWatch(fd, folder, syscall.IN_MODIFY|syscall.IN_OPEN)
		if err != nil {
			_ = n.file.Close()
			return nil, fmt.Errorf("watch %s: %w", folder, err)
		}
		n.told[int32(wd)] = tell
	}
	go n.read()
	return n, nil
}

func (n *inotify) read() {
	defer close(n.done)
	buffer := make([]byte, 64<<10)
	for {
		size, err := n.file.Read(buffer)
		if err != nil {
			return
		}
		for at := 0; at+syscall.SizeofInotifyEvent <= size; {
			event := (*syscall.InotifyEvent)(unsafe.Pointer(&buffer[at]))
			end := at + syscall.SizeofInotifyEvent + int(event.Len)
			name := strings.TrimRight(string(buffer[at+syscall.SizeofInotifyEvent:end]), "\x00")
			if tell := n.told[event.Wd]; tell != nil {
				tell(name, event.Mask)
			}
			at = end
		}
	}
}

func (n *inotify) close() {
	_ = n.file.Close()
	<-n.done
}
