// The cases on Go's goroutines, on one core: `go-cases CASE COUNT`.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const batch = 1000
const nap = 100 * time.Millisecond

func show(name string, value float64) { fmt.Printf("%s=%.9g\n", name, value) }

func showEach(name string, start time.Time, count int) {
	show(name, float64(time.Since(start).Nanoseconds())/float64(count))
}

func cpu() int64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}

// A field of /proc/self/status, in KiB.
func status(field string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, field+":") {
			value, _ := strconv.ParseFloat(strings.Fields(line)[1], 64)
			return value
		}
	}
	panic(field)
}

type delays struct{ state uint64 }

func (d *delays) next() time.Duration {
	d.state = d.state*6364136223846793005 + 1442695040888963407
	return time.Duration((d.state>>33)%1000) * time.Millisecond
}

func spawn(count int) {
	start := time.Now()
	for done := 0; done < count; done += batch {
		var all sync.WaitGroup
		all.Add(batch)
		for i := 0; i < batch; i++ {
			go all.Done()
		}
		all.Wait()
	}
	showEach("spawn", start, count)
}

func awaitTask(count int) {
	start := time.Now()
	ended := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() { ended <- struct{}{} }()
		<-ended
	}
	showEach("await_task", start, count)
}

func yield(count int) {
	start := time.Now()
	var all sync.WaitGroup
	all.Add(batch)
	for i := 0; i < batch; i++ {
		go func() {
			for n := 0; n < count/batch; n++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	showEach("yield", start, count)
}

func timers(count int) {
	used := cpu()
	random := delays{2023}
	var last time.Time
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		delay := random.next()
		if when := time.Now().Add(delay); when.After(last) {
			last = when
		}
		go func() {
			time.Sleep(delay)
			all.Done()
		}()
	}
	all.Wait()
	late := time.Since(last)
	show("timers", float64(cpu()-used)/float64(count))
	show("timers_late", float64(late.Nanoseconds())/1e6)
}

func idle(count int) {
	before := status("VmRSS")
	gate := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() { <-gate }()
	}
	runtime.Gosched() // all of them wait now
	show("idle", (status("VmRSS")-before)*1024/float64(count))
}

func gather(count int) {
	start, used := time.Now(), cpu()
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			time.Sleep(nap)
			all.Done()
		}()
	}
	all.Wait()
	wall := time.Since(start) - nap
	show("gather", float64(wall.Nanoseconds())/1e6)
	show("gather_cpu", float64(cpu()-used)/1e6)
	show("gather_rss", status("VmHWM")/1024)
}

func queue(count int) {
	start := time.Now()
	there, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for value := range there {
			back <- value + 1
		}
	}()
	sum := 0
	for i := 0; i < count; i++ {
		there <- i
		sum += <-back
	}
	showEach("queue", start, count)
	if sum != count*(count+1)/2 {
		panic("wrong sum")
	}
}

func lock(count int) {
	var mutex sync.Mutex
	guarded := 0
	start := time.Now()
	for i := 0; i < count; i++ {
		mutex.Lock()
		guarded++
		mutex.Unlock()
	}
	showEach("lock", start, count)
	if guarded != count {
		panic("wrong count")
	}
}

func main() {
	runtime.GOMAXPROCS(1)
	cases := map[string]func(int){"spawn": spawn, "await_task": awaitTask, "yield": yield, "timers": timers,
		"idle": idle, "gather": gather, "queue": queue, "lock": lock}
	if len(os.Args) == 3 {
		if count, err := strconv.Atoi(os.Args[2]); err == nil && cases[os.Args[1]] != nil {
			cases[os.Args[1]](count)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: go-cases CASE COUNT")
	os.Exit(2)
}
