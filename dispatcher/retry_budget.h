// Lets retries take a small share of a subscription's calls while first attempts wait, so that what
// fails again and again slows the rest by no more than that. Where nothing waits it lets every
// retry pass. Pure; time is passed in.
//
// Invariants:
//   1. In the second after one in which nine of ten first attempts had others waiting behind them,
//   no
//      more than one retry passes for RETRY_BUDGET_SHARE of them, but what was saved up before.
//   2. Otherwise every retry passes.
#ifndef EVENT_GATEWAY_DISPATCHER_RETRY_BUDGET_H
#define EVENT_GATEWAY_DISPATCHER_RETRY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define RETRY_BUDGET_SHARE 20

// Zero is a valid one.
struct retry_budget {
    uint32_t saved;              // first attempts that no retry has passed for yet
    int64_t begun_us;            // the last one
    int64_t second_us;           // when this second began
    uint32_t begun, with_others; // first attempts in it
    bool was_busy;               // the second before
};

// A first attempt has begun; whether others wait behind it.
void retry_budget_begun(struct retry_budget *budget, bool others_wait, int64_t now_us);
// Whether a retry may begin now. What may not asks again in half a second or so.
bool retry_budget_take(struct retry_budget *budget, int64_t now_us);

#endif
