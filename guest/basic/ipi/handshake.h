// One message, one answer from each CPU that it reaches.
//
// A single CPU at a time is the sender. Each CPU that is interrupted answers; the sender sleeps
// until all answers are in. An answer more than expected fails the run, so that a count printed at
// the end is exact.
#pragma once

#include <stdint.h>

enum { kPingVector = 0x40 };

// Installs the handlers of kPingVector and NMI.
void InitHandshake(void);

// Makes this CPU the sender of messages to which `expected` answers are due.
void ExpectAnswers(uint32_t expected);
void AwaitAnswers(void);

// ExpectAnswers, SendIpi, AwaitAnswers.
void Handshake(uint32_t icr, uint32_t destination, uint32_t expected);

// Answers given by this CPU so far, to fixed interrupts and to NMIs.
uint32_t MyPings(void);
uint32_t MyNmis(void);

// Answers that were due since the last call.
uint32_t TakeAnswersDue(void);

// Fails unless the CPUs' own counts add up to what was due in all. Answers that come late, after
// the round in which one too many would have been noticed, show here.
void CheckTotals(void);
