#include "dispatcher/circuit.h"

static int64_t pause_us(const struct circuit *circuit, const struct circuit_call *call) {
    int64_t longest_us = circuit->failed_probes < 20
                             ? CIRCUIT_PAUSE_FIRST_US << circuit->failed_probes
                             : CIRCUIT_PAUSE_MAX_US;
    longest_us = longest_us < CIRCUIT_PAUSE_MAX_US ? longest_us : CIRCUIT_PAUSE_MAX_US;
    int64_t pause_us = (int64_t)(call->random % (uint64_t)longest_us) + 1;
    pause_us = pause_us > CIRCUIT_PAUSE_MIN_US ? pause_us : CIRCUIT_PAUSE_MIN_US;
    int64_t asked_us =
        call->retry_after_us < CIRCUIT_PAUSE_MAX_US ? call->retry_after_us : CIRCUIT_PAUSE_MAX_US;
    return pause_us > asked_us ? pause_us : asked_us;
}

static void open_circuit(struct circuit *circuit, const struct circuit_call *call) {
    circuit->state = CIRCUIT_OPEN;
    circuit->probe_us = call->now_us + pause_us(circuit, call);
}

static void note_event(struct circuit *circuit, uint64_t event) {
    for (uint32_t i = 0; i < circuit->event_count; i++) {
        if (circuit->events[i] == event) {
            return;
        }
    }
    if (circuit->event_count < CIRCUIT_EVENTS_MIN) {
        circuit->events[circuit->event_count++] = event;
    }
}

static void count_for_ratio(struct circuit *circuit, const struct circuit_call *call) {
    if (call->now_us - circuit->ratio_from_us > CIRCUIT_RATIO_US ||
        circuit->calls >= CIRCUIT_RATIO_CALLS) {
        circuit->calls = circuit->failures = 0;
        circuit->ratio_from_us = call->now_us;
    }
    circuit->calls++;
    circuit->failures += call->result == CIRCUIT_FAILURE;
}

static bool has_failed_too_often(const struct circuit *circuit) {
    bool in_a_row = circuit->failures_in_a_row >= CIRCUIT_FAILURES_MAX;
    bool by_ratio = circuit->calls >= CIRCUIT_RATIO_CALLS &&
                    circuit->failures * 2 >= CIRCUIT_RATIO_CALLS && circuit->failures_in_a_row > 0;
    return (in_a_row || by_ratio) && circuit->event_count >= CIRCUIT_EVENTS_MIN;
}

static bool call_failed(struct circuit *circuit, const struct circuit_call *call) {
    count_for_ratio(circuit, call);
    circuit->failures_in_a_row++;
    note_event(circuit, call->event);
    if (circuit->state == CIRCUIT_PROBING) {
        circuit->failed_probes++;
        open_circuit(circuit, call);
        return false;
    }
    if (circuit->state == CIRCUIT_CLOSED && has_failed_too_often(circuit)) {
        circuit->failed_probes = 0;
        circuit->opened_us = call->now_us;
        open_circuit(circuit, call);
        return true;
    }
    return false;
}

static bool call_succeeded(struct circuit *circuit, const struct circuit_call *call) {
    bool has_closed = circuit->state != CIRCUIT_CLOSED;
    circuit->failures_in_a_row = 0;
    if (circuit->failures == 0) {
        circuit->event_count = 0;
    }
    if (has_closed) {
        *circuit = (struct circuit){.ratio_from_us = call->now_us};
    } else {
        count_for_ratio(circuit, call);
    }
    return has_closed;
}

bool circuit_called(struct circuit *circuit, const struct circuit_call *call) {
    switch (call->result) {
    case CIRCUIT_SUCCESS:
        return call_succeeded(circuit, call);
    case CIRCUIT_FAILURE:
    case CIRCUIT_THROTTLED:
        return call_failed(circuit, call);
    case CIRCUIT_NOTHING:
        break;
    }
    circuit_probe_lost(circuit);
    return false;
}

bool circuit_allows(const struct circuit *circuit, int64_t now_us) {
    return circuit->state == CIRCUIT_CLOSED ||
           (circuit->state == CIRCUIT_OPEN && now_us >= circuit->probe_us);
}

void circuit_begun(struct circuit *circuit) {
    if (circuit->state == CIRCUIT_OPEN) {
        circuit->state = CIRCUIT_PROBING;
    }
}

bool circuit_wants_untried(const struct circuit *circuit) {
    return circuit->state == CIRCUIT_OPEN && circuit->failed_probes % 2 == 0;
}

void circuit_probe_lost(struct circuit *circuit) {
    if (circuit->state == CIRCUIT_PROBING) {
        circuit->state = CIRCUIT_OPEN;
    }
}
