// One redrive that this node drives: finds its letters in the index, oldest first, begins them at
// its rate, and writes down in the registry how far it is. Belongs to the event store's thread.
//
//   redrive_run_create ─▶ CATCHING_UP ──▶ DRIVING ──▶ ENDING ──▶ OVER
//                          the index has   letters     its end is to be written
//                          all marks
//
// Invariants:
//   1. What is written down is about all letters up to one, and none beyond: a letter that ended
//      before its turn is counted when those before it have ended. Whoever goes on from there
//      passes over the ones beyond that the index knows to be marked.
//   2. No letter begins unless the registry said a moment ago that the redrive is this node's.
#ifndef EVENT_GATEWAY_ADMIN_REDRIVE_RUN_H
#define EVENT_GATEWAY_ADMIN_REDRIVE_RUN_H

#include "admin/redrive_letter.h"
#include "core/registry/redrive.h"

struct redrive_run;

// driver outlives the run.
struct redrive_run *redrive_run_create(struct redrive_driver *driver,
                                       const struct redrive *redrive);
// As the registry has it now; NULL: it is not there, or another node's: it ends unwritten.
void redrive_run_update(struct redrive_run *run, const struct redrive *redrive);
// The driver is trusted again, or stops.
void redrive_run_go_on(struct redrive_run *run);
const struct redrive *redrive_run_of(const struct redrive_run *run);
// Nothing of it is inside any more.
bool redrive_run_is_over(const struct redrive_run *run);
void redrive_run_destroy(struct redrive_run *run);

#endif
