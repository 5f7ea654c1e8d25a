#include "dispatcher/retry_budget.h"

#define SECOND_US 1000000
// When no first attempt has begun for so long, none is waiting for what retries take.
#define PAUSE_US 200000
#define SAVED_MAX (32 * RETRY_BUDGET_SHARE)

static void begin_second(struct retry_budget *budget, int64_t now_us) {
    bool is_next = now_us - budget->second_us < 2 * SECOND_US;
    budget->was_busy = is_next && budget->begun > 0 &&
                       (uint64_t)budget->with_others * 10 >= (uint64_t)budget->begun * 9;
    budget->second_us = now_us;
    budget->begun = 0;
    budget->with_others = 0;
}

void retry_budget_begun(struct retry_budget *budget, bool others_wait, int64_t now_us) {
    if (now_us - budget->second_us >= SECOND_US) {
        begin_second(budget, now_us);
    }
    budget->begun_us = now_us;
    budget->begun++;
    budget->with_others += others_wait;
    if (budget->saved < SAVED_MAX) {
        budget->saved++;
    }
}

bool retry_budget_take(struct retry_budget *budget, int64_t now_us) {
    if (!budget->was_busy || now_us - budget->begun_us > PAUSE_US) {
        return true;
    }
    if (budget->saved < RETRY_BUDGET_SHARE) {
        return false;
    }
    budget->saved -= RETRY_BUDGET_SHARE;
    return true;
}
