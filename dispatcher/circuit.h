// Whether a subscription's function can be called at all: opens when calls fail and fail again, and
// is then probed by one call at a time with growing pauses. Pure; time and randomness are passed
// in.
//
//            10 failures in a row, or half of 100 within a minute
//   CLOSED ───────────────────────────────────────────────────────▶ OPEN ◀──────────┐
//      ▲                                                             │               │ failed: a
//      longer │  a success, whichever call it was                           │ probe_us      │ pause
//      └──────────────────────────────────────────────────────── PROBING ────────────┘
//
// Invariants:
//   1. One event that fails again and again opens nothing: the failures in a row are of at least
//      CIRCUIT_EVENTS_MIN different events.
//   2. While it is not CLOSED at most one call is begun at a time, and none before probe_us.
//   3. A pause is at least CIRCUIT_PAUSE_MIN_US; the longest possible one doubles from a second to
//      five minutes, and the pause is drawn over all of it.
//   4. A success closes it at once.
//   5. Every other probe, the first one too, is to be of an event that was not tried yet: some
//      events fail for ever, and the function may take all others. The probes between try one
//      again: some functions fail on first sight.
#ifndef EVENT_GATEWAY_DISPATCHER_CIRCUIT_H
#define EVENT_GATEWAY_DISPATCHER_CIRCUIT_H

#include <stdbool.h>
#include <stdint.h>

#define CIRCUIT_FAILURES_MAX 10
#define CIRCUIT_EVENTS_MIN 3
#define CIRCUIT_RATIO_CALLS 100
#define CIRCUIT_RATIO_US (60 * INT64_C(1000000))
#define CIRCUIT_PAUSE_FIRST_US INT64_C(1000000)
#define CIRCUIT_PAUSE_MAX_US (300 * INT64_C(1000000))
#define CIRCUIT_PAUSE_MIN_US INT64_C(100000)

enum circuit_state {
    CIRCUIT_CLOSED,
    CIRCUIT_OPEN,
    CIRCUIT_PROBING, // the probe is running
};

// Zero is a valid closed one.
struct circuit {
    enum circuit_state state;
    uint32_t failures_in_a_row;
    uint64_t events[CIRCUIT_EVENTS_MIN]; // different ones among these
    uint32_t event_count;
    uint32_t calls, failures; // since ratio_from_us
    int64_t ratio_from_us;
    uint32_t failed_probes;
    int64_t probe_us;  // not before
    int64_t opened_us; // when it was closed last and has not been since
};

enum circuit_result {
    CIRCUIT_SUCCESS,   // the function has answered, and be it that it does not want the event
    CIRCUIT_FAILURE,   // no answer, or one that says that it cannot
    CIRCUIT_THROTTLED, // 429: a failure, but many of them among successes mean less at a time
    CIRCUIT_NOTHING,   // says nothing about the function
};

struct circuit_call {
    enum circuit_result result;
    uint64_t event;         // tells events apart
    int64_t now_us;         // monotonic
    int64_t retry_after_us; // 0 = not said
    uint64_t random;        // uniform over all 64 bits
};
// A call has ended; also those that began before it opened. True: it has opened or closed.
bool circuit_called(struct circuit *circuit, const struct circuit_call *call);
// Whether a call may begin now; of an open circuit it is the probe.
bool circuit_allows(const struct circuit *circuit, int64_t now_us);
void circuit_begun(struct circuit *circuit);
// Whether the next call is a probe that is to be of an event that was not tried yet.
bool circuit_wants_untried(const struct circuit *circuit);
// The probe was given up without a result.
void circuit_probe_lost(struct circuit *circuit);

#endif
