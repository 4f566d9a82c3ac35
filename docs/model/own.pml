/* Ownership of a room: lease, gate, certificate, claim, release, handover, and what a change of Redis' history means for them.
 *
 * Owns: time. Every step below is one atomic event of one party, and nobody is ever forced to act: any number of ticks may pass
 * between two steps of a process. So every pause, collection of garbage, slow network or slow Redis is in the state space without
 * being named. Does not know: what is said in the room (log.pml).
 *
 * One room, two nodes of up to MAXINC incarnations each, NOBS routers that observe them, Redis as an atomic arbiter.
 * Tags are numbered in the order in which Redis executed claims and transfers (a ghost, never rolled back).
 *
 * I1  an append is accepted only under the newest claim of the history in force.
 * I2  the tags under which gated output is made never go down: two owners never speak at the same time.
 * I3  (LIVE) after the faults end the room comes to have one owner that knows it, and keeps it.
 *
 * README.md says which line of the code each rule stands for. A "twin" is a rule taken away: it has to break.
 */

/* --- periods, in ticks. Clocks are ages that stop at the longest period anybody compares them with. --- */
#ifndef FENCE
#define FENCE 2       /* a gate is open for less than this since the sending of the last renewal that counted */
#endif
#ifndef DEADT
#define DEADT 3       /* a counter that an observer saw stand still for this long may be certified.  Twin: 1 */
#endif
#ifndef GRACE
#define GRACE 3       /* observation of a history before its records of others are trusted.  Twin: 1 */
#endif
/* --- bounds of the search --- */
#ifndef MAXTAG
#define MAXTAG 3
#endif
#ifndef MAXINC
#define MAXINC 2
#endif
#ifndef NOBS
#define NOBS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef RELEASES
#define RELEASES 1
#endif
#ifndef HANDOVERS
#define HANDOVERS 0
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 0   /* Redis goes back to any earlier state of its own, under another run id */
#endif
#ifndef EMPTIES
#define EMPTIES 0     /* Redis loses everything; with PARTIAL the nodes table only, while the room's record stays */
#endif
#ifndef CUTS
#define CUTS 0        /* one partition between Redis and any set of nodes and routers */
#endif
#define NONE 9        /* nobody: a released or missing record */
#if ROLLBACKS==0 && EMPTIES==0
#define ONEHISTORY
#endif

/* --- Redis --- */
byte recOwner=0; byte recTag=1;   /* the room's record: incarnation and tag (epoch and nonce in one) */
byte newest=1;                    /* ghost: newest claim of this history */
byte tInc[2]; byte tSt[2];        /* the nodes table: incarnation, and 0 absent, 1 living, 2 certified */
byte rid=0;                       /* which history: run id and gen in one */
#if ROLLBACKS>0
bit  sTaken; byte sOwner, sTag, sNew; byte sInc[2]; byte sSt[2]; byte rbLeft=ROLLBACKS;   /* the state that will survive */
#endif
#if EMPTIES>0
byte emLeft=EMPTIES;
#endif

/* --- ghosts and budgets --- */
byte nTag=1; byte maxEmit=0;      /* claims executed so far; newest tag that has made gated output */
byte crLeft=CRASHES; byte relLeft=RELEASES;
bit  stable=0;                    /* LIVE: from here on no more faults */

/* --- nodes --- */
bit  up[2]; byte inc[2];
bit  reg[2];                      /* believes that the table lists it as living in the history it knows */
bit  joined[2];                   /* was registered once in its life: it registers in another history at once, not after grace */
byte age[2];                      /* ticks since the sending of the last renewal that counted */
byte hbst[2]; byte hbage[2];      /* HBFULL: 0 idle, 1 in flight, 2 executed ok, 3 executed: dead or absent; ticks since sent */
#define IDLE    0                 /* values of own[]: does not hold the room */
#define HELD    1
#define STALE   2                 /* held before the history changed: silent until claimed again */
#define SENDING 3                 /* output has stopped, the transfer is on its way */
#define DOUBTED 4                 /* the transfer's outcome is unknown: silent until claimed again, or lost */
byte own[2]; byte mytag[2];
byte myrun[2]; byte hist[2];      /* the history this node knows, and for how long it has observed it */
bit  lapsed[2];                   /* its lease had run out when it met that history */
#define CLAIM    1                /* values of ct[] and oc[]; ccas: the tag that is compared; cres: 0 in flight, 1 refused, k>=2 done (tag k) */
#define APPEND   2
#define RELEASE  3
#define TRANSFER 4
byte ct[2]; byte ccas[2]; byte cres[2]; byte crun[2];
byte oc[2]; byte ocas[2]; byte oinc[2]; byte orun[2];   /* a command that its sender gave up: it may still be executed, or never */
#if HANDOVERS>0
byte hoLeft=HANDOVERS; byte cto[2]; byte oto[2];        /* the incarnation that a transfer names */
byte stash[2];                    /* state received for a handover, by the tag of its sender; 0 none */
byte named[2];                    /* word that the record names this node, under way or there to be read: the tag it got */
#endif
#ifdef TIMER_GATE
bit susp[2];
#endif
#ifdef WIRE
byte wp[2]; bit wa[2];            /* a frame that passed the gate and is not yet on the wire, and that it has waited a tick */
#endif

/* --- routers as observers --- */
typedef Obs { bit same[2]; byte unch[2]; bit kd[2] };   /* saw this counter; for how long unchanged; knows the certificate, cut the link */
Obs ob[NOBS];
#if CUTS>0
bit sideN[2]; bit sideO[NOBS]; byte cutLeft=CUTS; bit cutNow; byte fgLeft=1;   /* Redis is on side 0 */
#define NR(n) (sideN[n]==0)
#define OR(o) (sideO[o]==0)
#define LINK(o,n) (sideO[o]==sideN[n] && !ob[o].kd[n])
#else
#define NR(n) true
#define OR(o) true
#endif
#ifdef ISLAND
byte pr[2];                       /* ticks since the question that every router answered with "I cannot reach Redis either" */
#endif

/* ============ the rules ============ */
#define IID(n) (n+2*inc[n])

/* The gate: asked at use, on the clock.  Twin TIMER_GATE: a timer shuts it, which in a stopped process does not fire. */
#ifdef TIMER_GATE
#define LEASE(n) (!susp[n])
#else
#define LEASE(n) (age[n]<FENCE)
#endif
#ifdef ISLAND
#define GATE(n) (LEASE(n) || pr[n]<FENCE)
#else
#define GATE(n) LEASE(n)
#endif

/* What gives a room up has first let everything leave that passed the gate.  Twin UNFLUSHED. */
#if defined(WIRE) && !defined(UNFLUSHED)
#define LEFT(n) (wp[n]==0)
#else
#define LEFT(n) true
#endif

/* Every connection reads the run id before anything is sent, and a claim bears it.  Twin NO_RUN_CHECK: only the heartbeat's does. */
#ifdef NO_RUN_CHECK
#define SEESRUN(n) true
#define RUNOK(r) true
#else
#define SEESRUN(n) (myrun[n]==rid)
#define RUNOK(r) (r==rid)
#endif

/* Certified: by certificate, or because another incarnation stands under its id.  Unknown: this history never registered it. */
#define CERT(o)    (tSt[o%2]!=0 && (tInc[o%2]!=o || tSt[o%2]==2))
#define UNKNOWN(o) (tSt[o%2]==0)

/* Held under an unbroken lease: memory decides, at once, unless the record has moved on beyond it. */
#ifdef NO_LAPSED       /* twin: a lease that had run out when the new history was met counts as unbroken */
#define UNBROKEN(n) (own[n]==STALE || own[n]==DOUBTED)
#else
#define UNBROKEN(n) ((own[n]==STALE && !lapsed[n]) || own[n]==DOUBTED)
#endif
#ifdef DOUBT_FORGOTTEN /* twin: a room that a transfer may have given away counts as held when the history changes */
#define INDOUBT(n) false
#else
#define INDOUBT(n) (own[n]==SENDING || own[n]==DOUBTED)
#endif
#define BYMEMORY(n) (UNBROKEN(n) && (recOwner==IID(n) || recTag<=mytag[n]))

/* Everything else waits until this process has observed the history for grace. */
#ifdef NO_SELF         /* twin for I3: a record that names me and a room I do not hold: nothing is done */
#define NAMESME(n) false
#else
#define NAMESME(n) (recOwner==IID(n))
#endif
#ifdef NO_UNKNOWN      /* twin for I3: an owner that this history never knew is waited for */
#define ORPHAN false
#else
#define ORPHAN UNKNOWN(recOwner)
#endif
#ifdef NO_CERT         /* twin: whoever cannot reach the owner claims */
#define FREE(n) true
#else
#define FREE(n) (recOwner==NONE || NAMESME(n) || CERT(recOwner) || ORPHAN)
#endif
#if defined(SELF_NO_GRACE)      /* twin: what names me I may claim at once */
#define BYRECORD(n) ((hist[n]>=GRACE && FREE(n)) || NAMESME(n))
#elif defined(UNKNOWN_NO_GRACE) /* twin: nobody knows that owner, so it is dead */
#define BYRECORD(n) ((hist[n]>=GRACE && FREE(n)) || (recOwner!=NONE && ORPHAN))
#else
#define BYRECORD(n) (hist[n]>=GRACE && FREE(n))
#endif
#define MAYCLAIM(n) (BYMEMORY(n) || BYRECORD(n))

/* A fresh process has observed nothing.  Twin START_NO_GRACE.  Where there is one history only, its wait is a mere delay. */
#if defined(START_NO_GRACE) || defined(ONEHISTORY)
#define HIST0 GRACE
#else
#define HIST0 0
#endif
#ifdef NO_FENCE        /* twin: an append that does not compare the triple */
#define FENCED(w,t) true
#else
#define FENCED(w,t) (recOwner==w && recTag==t)
#endif
#ifdef NO_CAS_TRANSFER /* twin: a transfer that does not compare the triple */
#define HOLDSTILL(w,t) true
#else
#define HOLDSTILL(w,t) (recOwner==w && recTag==t)
#endif

/* ============ events ============ */
inline forgetCommand(n) {
  ct[n]=0; ccas[n]=0; cres[n]=0; crun[n]=0;
#if HANDOVERS>0
  cto[n]=0;
#endif
  skip
}
inline forgetOrphan(n) {
  oc[n]=0; ocas[n]=0; oinc[n]=0; orun[n]=0;
#if HANDOVERS>0
  oto[n]=0;
#endif
  skip
}
inline forgetStash(n) {
#if HANDOVERS>0
  stash[n]=0; named[n]=0;
#endif
  skip
}
/* The sender gives its command up. What is in flight may be executed at any later time. */
inline giveUp(n) {
  if
  :: (ct[n]!=0 && cres[n]==0 && oc[n]==0) ->
     oc[n]=ct[n]; ocas[n]=ccas[n]; oinc[n]=IID(n); orun[n]=crun[n];
#if HANDOVERS>0
     oto[n]=cto[n];
#endif
  :: else
  fi;
  forgetCommand(n)
}
inline die(n) {
  giveUp(n); forgetStash(n);
  up[n]=0; reg[n]=0; joined[n]=0; own[n]=IDLE; mytag[n]=0; hbst[n]=0; hbage[n]=0; age[n]=FENCE; hist[n]=0; lapsed[n]=0;
#ifdef TIMER_GATE
  susp[n]=1;
#endif
#ifdef WIRE
  wp[n]=0; wa[n]=0;
#endif
#ifdef ISLAND
  pr[n]=FENCE;
#endif
  skip
}
/* node n's counter moved (or was entered anew): no observer has seen this one yet */
inline moved(n) {
  j=0;
  do
  :: j<NOBS -> ob[j].same[n]=0;
#ifndef NO_CAS_CERT     /* in this twin an observer that has made up its mind does not look again */
     ob[j].unch[n]=0;
#endif
     j++
  :: else -> break
  od; j=0;
  skip
}

/* Redis executes a command of incarnation `who`; r: 1 refused, >=2 done */
inline exec(typ,who,cas,rn,to,r) {
  r=1;
  if
  :: typ==CLAIM ->
     if
#ifdef NO_CAS_CLAIM   /* twin: a claim that does not compare the record */
     :: (nTag<MAXTAG) ->
#else
     :: (recTag==cas && RUNOK(rn) && nTag<MAXTAG) ->
#endif
        nTag++; recOwner=who; recTag=nTag; newest=nTag; r=nTag; printf("EV redis: CLAIM by inc%d, tag %d\n",who,nTag)
     :: else -> printf("EV redis: CLAIM by inc%d refused\n",who)
     fi
  :: typ==APPEND ->
     if
     :: FENCED(who,cas) -> printf("EV redis: APPEND by inc%d, tag %d\n",who,cas); assert(cas==newest) /* I1 */; r=2
     :: else -> printf("EV redis: APPEND by inc%d, tag %d fenced\n",who,cas)
     fi
  :: typ==RELEASE ->
     if
     :: (recOwner==who && recTag==cas) -> recOwner=NONE; r=2; printf("EV redis: RELEASE by inc%d\n",who)
     :: else -> printf("EV redis: RELEASE by inc%d refused\n",who)
     fi
#if HANDOVERS>0
  :: typ==TRANSFER ->
     if
     :: (HOLDSTILL(who,cas) && nTag<MAXTAG) ->
        nTag++; recOwner=to; recTag=nTag; newest=nTag; r=nTag; printf("EV redis: TRANSFER by inc%d to inc%d, tag %d\n",who,to,nTag);
        /* the target may hear of it now or at any later time, from its sender or by reading; only for the state it holds */
        if :: (to==IID(to%2) && stash[to%2]==cas) -> named[to%2]=nTag :: else fi
     :: else -> printf("EV redis: TRANSFER by inc%d refused\n",who)
     fi
#endif
  fi
}

inline ClockB() {
  if
  :: d_step {
       /* LIVE: a living node keeps its heartbeat once faults have ended.  WIRE: a frame waits for the wire a tick at most. */
#ifdef WIRE
       !(wp[0]!=0 && wa[0]) && !(wp[1]!=0 && wa[1]) &&
#endif
       (!stable || ((!(up[0]&&reg[0]) || age[0]==0) && (!(up[1]&&reg[1]) || age[1]==0))) ->
       i=0;
       do
       :: i<2 ->
          if :: age[i]<FENCE -> age[i]++ :: else fi;
          if :: hbst[i]!=0 && hbage[i]<FENCE -> hbage[i]++ :: else fi;
          if :: up[i] && hist[i]<GRACE && myrun[i]==rid -> hist[i]++ :: else fi;
#ifdef WIRE
          if :: wp[i]!=0 -> wa[i]=1 :: else fi;
#endif
#ifdef ISLAND
          if :: pr[i]<FENCE -> pr[i]++ :: else fi;
#endif
          j=0;
          do
          :: j<NOBS -> if :: ob[j].same[i] && ob[j].unch[i]<DEADT -> ob[j].unch[i]++ :: else fi; j++
          :: else -> break
          od;
          i++
       :: else -> break
       od; i=0; j=0; printf("EV ---- tick ----\n")
     }
  fi
}

/* Heartbeat. One event of age 0 is the most permissive case for the gate: a late or lost reply only shuts it earlier.
 * HBFULL: sending, execution and reply apart, each late or lost. */
inline HeartbeatB(n) {
  if
#ifdef HBFULL
  :: d_step { up[n] && reg[n] && hbst[n]==0 && (!stable || age[n]>0) -> hbst[n]=1; hbage[n]=0 }
  :: d_step { hbst[n]==1 && NR(n) ->
       if
       :: myrun[n]!=rid -> hbst[n]=0; hbage[n]=0
       :: else ->
          if
          :: (tInc[n]==IID(n) && tSt[n]==1) -> hbst[n]=2; printf("EV redis: heartbeat of inc%d\n",IID(n)); moved(n)
          :: else -> hbst[n]=3
          fi
       fi }
  :: d_step { hbst[n]==2 -> age[n]=hbage[n]; hbst[n]=0; hbage[n]=0; printf("EV inc%d: renewed, age %d\n",IID(n),age[n]) }
  :: d_step { hbst[n]==3 -> printf("EV inc%d: learns that it is dead, exits\n",IID(n)); die(n) }
  :: d_step { hbst[n]!=0 && hbst[n]!=3 && !stable -> hbst[n]=0; hbage[n]=0 }
#else
  :: d_step { up[n] && reg[n] && NR(n) && myrun[n]==rid && tInc[n]==IID(n) && tSt[n]==1 &&
#ifdef LIVE
       age[n]>0
#else
       (age[n]>0 || ob[0].same[n])
#endif
       -> age[n]=0; printf("EV inc%d: heartbeat\n",IID(n)); moved(n);
#ifdef TIMER_GATE
       susp[n]=0
#endif
     }
  :: d_step { up[n] && reg[n] && NR(n) && myrun[n]==rid && !(tInc[n]==IID(n) && tSt[n]==1) ->
       printf("EV inc%d: learns that it is dead, exits\n",IID(n)); die(n) }
#endif
#ifdef TIMER_GATE
  :: d_step { up[n] && age[n]>=FENCE && !susp[n] -> susp[n]=1; printf("EV inc%d: its timer fires\n",IID(n)) }
#endif
  fi
}

/* What a node does about its registration and its room. */
inline NodeB(n) {
  if
  /* CLAIM: table and record are read here, the command is executed later. Not of what a handover left state for: that is opened. */
  :: d_step { up[n] && reg[n] && ct[n]==0 && (own[n]==IDLE || own[n]==STALE || own[n]==DOUBTED) && LEASE(n) && SEESRUN(n) && NR(n) &&
       MAYCLAIM(n) &&
#if HANDOVERS>0
       !(named[n]!=0 && named[n]==recTag) &&
#endif
#ifdef LIVE
       (stable || nTag<MAXTAG-3) &&
#endif
       nTag<MAXTAG -> ct[n]=CLAIM; ccas[n]=recTag; cres[n]=0; crun[n]=myrun[n];
       printf("EV inc%d: sends CLAIM (record: inc%d, tag %d)\n",IID(n),recOwner,recTag) }
  /* what was held and is another's now */
  :: d_step { up[n] && reg[n] && (own[n]==STALE || own[n]==DOUBTED) && ct[n]==0 && SEESRUN(n) && NR(n) && !BYMEMORY(n) &&
       (UNBROKEN(n) || !FREE(n)) -> own[n]=IDLE; mytag[n]=0; printf("EV inc%d: the room is another's\n",IID(n)) }
  /* a reply */
  :: d_step { ct[n]!=0 && cres[n]!=0 ->
       if
       :: ct[n]==CLAIM && cres[n]>=2 -> own[n]=HELD; mytag[n]=cres[n]; lapsed[n]=0; printf("EV inc%d: owns the room, tag %d\n",IID(n),mytag[n])
       :: ct[n]==CLAIM && cres[n]==1 -> skip     /* the record has changed: it is read again */
       :: ct[n]==APPEND && cres[n]==1 -> own[n]=IDLE; mytag[n]=0; printf("EV inc%d: fenced\n",IID(n))
       :: ct[n]==TRANSFER && cres[n]>=2 -> own[n]=IDLE; mytag[n]=0
       :: ct[n]==TRANSFER && cres[n]==1 -> own[n]=DOUBTED   /* read again: another's, or lost by Redis and to be taken back */
       :: else
       fi;
       forgetCommand(n) }
  /* no reply in time: nothing is known of the outcome */
  :: d_step { ct[n]!=0 && !stable ->
       printf("EV inc%d: command %d times out\n",IID(n),ct[n]);
       k=ct[n]; giveUp(n);
       if
#ifdef RELEASE_VERIFY   /* twin: the record still names me, so the release was not executed: go on */
       :: k==RELEASE && SEESRUN(n) && recOwner==IID(n) && recTag==mytag[n] -> own[n]=HELD; printf("EV inc%d: goes on\n",IID(n))
       :: k==RELEASE && !(SEESRUN(n) && recOwner==IID(n) && recTag==mytag[n]) -> own[n]=IDLE; mytag[n]=0
#endif
#ifdef TRANSFER_VERIFY  /* twin: the same for a transfer */
       :: k==TRANSFER && SEESRUN(n) && recOwner==IID(n) && recTag==mytag[n] -> own[n]=HELD; printf("EV inc%d: goes on\n",IID(n))
       :: k==TRANSFER && !(SEESRUN(n) && recOwner==IID(n) && recTag==mytag[n]) -> own[n]=DOUBTED
#else
       :: k==TRANSFER -> own[n]=DOUBTED
#endif
       :: else
       fi; k=0 }
#ifdef APPENDS
  :: d_step { up[n] && own[n]==HELD && ct[n]==0 && LEASE(n) && SEESRUN(n) && NR(n) ->
       ct[n]=APPEND; ccas[n]=mytag[n]; cres[n]=0; printf("EV inc%d: sends APPEND, tag %d\n",IID(n),mytag[n]) }
#endif
  /* RELEASE: output has ended, and has left, before it is sent. Whatever it answers, the room is not held. */
  :: d_step { up[n] && own[n]==HELD && ct[n]==0 && SEESRUN(n) && NR(n) && relLeft>0 && !stable && LEFT(n) ->
       relLeft--; ct[n]=RELEASE; ccas[n]=mytag[n]; cres[n]=0; printf("EV inc%d: stops output, sends RELEASE\n",IID(n));
#ifdef RELEASE_VERIFY
       own[n]=SENDING
#else
       own[n]=IDLE; mytag[n]=0
#endif
     }
#if HANDOVERS>0
  /* TRANSFER: the target has the state and said READY with its nonce; output has ended, and has left, before it is sent. */
  :: d_step { up[n] && own[n]==HELD && ct[n]==0 && SEESRUN(n) && NR(n) && hoLeft>0 && !stable && LEFT(n) &&
       up[1-n] && reg[1-n] && own[1-n]==IDLE ->
       hoLeft--; ct[n]=TRANSFER; ccas[n]=mytag[n]; cres[n]=0; cto[n]=IID(1-n); own[n]=SENDING; stash[1-n]=mytag[n]; named[1-n]=0;
       printf("EV inc%d: stops output, sends TRANSFER to inc%d\n",IID(n),cto[n]) }
  /* the target hears that the record names it, and opens the room from the state it holds */
  :: d_step { up[n] && stash[n]!=0 && named[n]!=0 && own[n]==IDLE ->
       giveUp(n); own[n]=HELD; mytag[n]=named[n]; stash[n]=0; named[n]=0; printf("EV inc%d: is named, owns the room, tag %d\n",IID(n),mytag[n]) }
  /* a state that nobody came for is dropped */
  :: d_step { up[n] && stash[n]!=0 && !stable -> stash[n]=0; named[n]=0 }
#endif
#ifdef FLOOR
  /* an OPEN names a higher epoch than this owner has: it claims again above it */
  :: d_step { up[n] && own[n]==HELD && ct[n]==0 && !stable -> own[n]=STALE; lapsed[n]=0; printf("EV inc%d: claims above a floor\n",IID(n)) }
#endif
  /* another history is met: what the lease was is judged first */
  :: d_step { up[n] && myrun[n]!=rid && NR(n) ->
       printf("EV inc%d: meets another history of Redis\n",IID(n));
       giveUp(n); hbst[n]=0; hbage[n]=0; myrun[n]=rid; hist[n]=0;
       lapsed[n]=(age[n]>=FENCE || (own[n]==STALE && lapsed[n]) || INDOUBT(n));
#if HANDOVERS>0 && !defined(STASH_KEPT)   /* twin: a nonce given out in the old history is good in the new one */
       stash[n]=0; named[n]=0;
#endif
       if :: own[n]!=IDLE -> own[n]=STALE :: else fi;
       if
       :: (tInc[n]==IID(n) && tSt[n]==2) -> die(n)
       :: else -> reg[n]=(tInc[n]==IID(n) && tSt[n]==1)
       fi }
#ifdef VERIFY            /* twin: the record still names me under my tag, so I go on under it */
  :: d_step { up[n] && reg[n] && own[n]==STALE && (UNBROKEN(n) || hist[n]>=GRACE) && SEESRUN(n) && NR(n) && recOwner==IID(n) && recTag==mytag[n] && ct[n]==0 ->
       own[n]=HELD; printf("EV inc%d: goes on with tag %d\n",IID(n),mytag[n]) }
#endif
  /* REGISTER: a newcomer takes its namesake's place only once that is certified, and only after it has observed the history */
  :: d_step { up[n] && !reg[n] && NR(n) && myrun[n]==rid && (joined[n] || hist[n]>=GRACE) &&
       (tSt[n]==0 || (tSt[n]==2 && tInc[n]<IID(n))) ->
       tInc[n]=IID(n); tSt[n]=1; reg[n]=1; joined[n]=1; moved(n);
#ifdef ISLAND
       ob[0].kd[n]=0; ob[1].kd[n]=0;
#endif
       printf("EV inc%d: registered\n",IID(n)) }
  /* gated output */
#ifdef WIRE
  :: d_step { up[n] && own[n]==HELD && GATE(n) && wp[n]==0 && mytag[n]!=maxEmit -> wp[n]=mytag[n]; wa[n]=0 }
  :: d_step { wp[n]!=0 -> printf("EV inc%d: SPEAKS, tag %d\n",IID(n),wp[n]); assert(wp[n]>=maxEmit) /* I2 */; maxEmit=wp[n]; wp[n]=0; wa[n]=0 }
#else
  :: d_step { up[n] && own[n]==HELD && GATE(n) && mytag[n]!=maxEmit ->
       printf("EV inc%d: SPEAKS, tag %d (newest that has spoken: %d)\n",IID(n),mytag[n],maxEmit);
       assert(mytag[n]>=maxEmit) /* I2 */; maxEmit=mytag[n] }
#endif
  fi
}

inline CommandB(n) {
  if
#if HANDOVERS>0
  :: d_step { ct[n]!=0 && cres[n]==0 && NR(n) -> exec(ct[n],IID(n),ccas[n],crun[n],cto[n],r); cres[n]=r; r=0 }
  :: d_step { oc[n]!=0 -> printf("EV a late command arrives:\n"); exec(oc[n],oinc[n],ocas[n],orun[n],oto[n],r); forgetOrphan(n); r=0 }
#else
  :: d_step { ct[n]!=0 && cres[n]==0 && NR(n) -> exec(ct[n],IID(n),ccas[n],crun[n],0,r); cres[n]=r; r=0 }
  :: d_step { oc[n]!=0 -> printf("EV a late command arrives:\n"); exec(oc[n],oinc[n],ocas[n],orun[n],0,r); forgetOrphan(n); r=0 }
#endif
  fi
}

/* Router o polls node n's counter, and certifies by compare-and-set on the one it saw. A newcomer that watches its namesake, and
 * the supervisor that reaped a process, are parties of the same kind. */
inline ObserverB(o,n) {
  if
  :: d_step { OR(o) && tSt[n]==1 && !ob[o].same[n] -> ob[o].same[n]=1; ob[o].unch[n]=0;
       printf("EV router %d: sees a counter of inc%d\n",o,tInc[n]) }
#ifdef ISLAND
  :: d_step { OR(o) && tSt[n]==2 && tInc[n]==IID(n) && !ob[o].kd[n] -> ob[o].kd[n]=1; printf("EV router %d: cuts inc%d\n",o,tInc[n]) }
#ifdef FORGETS
  :: d_step { fgLeft>0 && ob[o].kd[n] -> fgLeft--; ob[o].kd[0]=0; ob[o].kd[1]=0; ob[o].same[0]=0; ob[o].same[1]=0; ob[o].unch[0]=0; ob[o].unch[1]=0;
       printf("EV router %d restarts\n",o) }
#endif
#endif
#if CUTS>0
  :: d_step { !OR(o) && ob[o].same[n] -> ob[o].same[n]=0; ob[o].unch[n]=0 }   /* a poll that failed starts every period anew */
#endif
#ifdef NO_CAS_CERT       /* twin: a certificate without the compare-and-set on the counter */
  :: d_step { OR(o) && tSt[n]==1 && ob[o].unch[n]>=DEADT ->
#else
  :: d_step { OR(o) && tSt[n]==1 && ob[o].same[n] && ob[o].unch[n]>=DEADT ->
#endif
       tSt[n]=2; ob[o].same[n]=0; ob[o].unch[n]=0;
#ifdef ISLAND
       ob[o].kd[n]=1;
#endif
       printf("EV router %d: CERTIFICATE for inc%d (lives: %d)\n",o,tInc[n],up[n] && IID(n)==tInc[n]) }
#ifdef REFUSED_DIAL      /* twin: a refused dial counts as proof, and the process may live */
  :: d_step { OR(o) && tSt[n]==1 && ob[o].same[n] && ob[o].unch[n]>=1 -> tSt[n]=2; ob[o].same[n]=0; ob[o].unch[n]=0;
       printf("EV router %d: CERTIFICATE for inc%d, whose dial was refused\n",o,tInc[n]) }
#endif
#ifndef NO_PROOF
  :: d_step { o==0 && tSt[n]==1 && !(up[n] && IID(n)==tInc[n]) && tInc[n]<=IID(n) && NR(n) ->
       tSt[n]=2; ob[o].same[n]=0; ob[o].unch[n]=0; printf("EV supervisor: CERTIFICATE for inc%d\n",tInc[n]) }
#endif
  fi
}

/* The old Redis process takes with it what was sent to it and not executed.  LATE_COMMANDS: a proxy in between delivers it to the new one. */
inline lostConnections() {
#ifndef LATE_COMMANDS
  i=0;
  do
  :: i<2 -> forgetOrphan(i);
     if :: ct[i]!=0 && cres[i]==0 && ct[i]!=TRANSFER -> forgetCommand(i)
#if HANDOVERS>0
        :: ct[i]==TRANSFER && cres[i]==0 -> forgetCommand(i); own[i]=DOUBTED
#endif
        :: else fi;
     if :: hbst[i]==1 -> hbst[i]=0; hbage[i]=0 :: else fi;
     i++
  :: else -> break
  od; i=0
#else
  skip
#endif
}
inline newHistory() {
  rid++;
  i=0; do :: i<NOBS -> ob[i].same[0]=0; ob[i].same[1]=0; ob[i].unch[0]=0; ob[i].unch[1]=0; i++ :: else -> break od; i=0;
  lostConnections()
}
inline FaultB() {
  if
  :: d_step { crLeft>0 && up[0] && !stable -> crLeft--; printf("EV inc%d CRASHES\n",IID(0)); die(0) }
  :: d_step { crLeft>0 && up[1] && !stable -> crLeft--; printf("EV inc%d CRASHES\n",IID(1)); die(1) }
#if ROLLBACKS>0
  :: d_step { !sTaken && rbLeft>0 && !stable ->
       sTaken=1; sOwner=recOwner; sTag=recTag; sNew=newest; sInc[0]=tInc[0]; sInc[1]=tInc[1]; sSt[0]=tSt[0]; sSt[1]=tSt[1];
       printf("EV (the state that will survive)\n") }
  :: d_step { sTaken && rbLeft>0 && !stable ->
       rbLeft--; sTaken=0; recOwner=sOwner; recTag=sTag; newest=sNew; tInc[0]=sInc[0]; tInc[1]=sInc[1]; tSt[0]=sSt[0]; tSt[1]=sSt[1];
       sOwner=0; sTag=0; sNew=0; sInc[0]=0; sInc[1]=0; sSt[0]=0; sSt[1]=0;
       newHistory(); printf("EV REDIS ROLLED BACK: record inc%d, tag %d; table inc%d:%d inc%d:%d\n",recOwner,recTag,tInc[0],tSt[0],tInc[1],tSt[1]) }
#endif
#if EMPTIES>0
  :: d_step { emLeft>0 && !stable -> emLeft--; tSt[0]=0; tSt[1]=0;
#ifndef PARTIAL
       recOwner=NONE; recTag=0; newest=0;
#endif
       newHistory(); printf("EV REDIS LOST ITS DATA\n") }
#endif
#if CUTS>0
  /* one option per partition: a d_step resolves choices, so there is no choice inside */
#define CUT(a,b,c,d) d_step { cutLeft>0 && !cutNow && !stable -> cutLeft--; cutNow=1; sideN[0]=a; sideN[1]=b; sideO[0]=c; sideO[1]=d; \
       printf("EV CUT OFF FROM REDIS: node0 %d, node1 %d, router0 %d, router1 %d\n",a,b,c,d) }
  :: CUT(1,0,0,0) :: CUT(1,0,1,0) :: CUT(1,0,0,1) :: CUT(1,0,1,1) :: CUT(0,1,1,1)
  :: CUT(1,1,1,0) :: CUT(1,1,0,1) :: CUT(1,1,1,1) :: CUT(1,1,0,0)
  :: d_step { cutNow -> cutNow=0; sideN[0]=0; sideN[1]=0; sideO[0]=0; sideO[1]=0; printf("EV the cut heals\n") }
#endif
#ifdef LIVE
  :: d_step { !stable -> stable=1; printf("EV faults end\n") }
#endif
  fi
}
#ifdef GONE              /* node 0, once it has died, does not come back: its name stays in the record for good */
#define FORGOTTEN(n) (n==0)
#else
#define FORGOTTEN(n) false
#endif
inline RestartB(n) {
  if
#ifdef LIVE              /* one incarnation is kept for after the faults */
  :: d_step { !up[n] && inc[n]<MAXINC-1 && (stable || inc[n]<MAXINC-2) && !FORGOTTEN(n) ->
#else
  :: d_step { !up[n] && inc[n]<MAXINC-1 ->
#endif
       inc[n]++; up[n]=1; age[n]=FENCE; myrun[n]=rid; hist[n]=HIST0; printf("EV node%d starts as inc%d\n",n,IID(n)) }
  fi
}
#ifdef ISLAND
/* Islanding: an owner cut off from Redis asks the routers whether they are too. An answer counts for FENCE from its question. */
inline AskB(n) {
  if
  :: d_step { up[n] && own[n]==HELD && !NR(n) && pr[n]>0 &&
#if ISLAND==1            /* twin: those on its links, one at least; also after the lease has run out */
       (LINK(0,n) || LINK(1,n)) && (!LINK(0,n) || !OR(0)) && (!LINK(1,n) || !OR(1))
#elif ISLAND==2          /* twin: every registered router, but also after the lease has run out */
       LINK(0,n) && LINK(1,n) && !OR(0) && !OR(1)
#elif ISLAND==3          /* the rule: every registered router, without a gap, and whoever answers observes anew */
       GATE(n) && LINK(0,n) && LINK(1,n) && !OR(0) && !OR(1)
#elif ISLAND==4          /* twin: one observer is not asked */
       GATE(n) && LINK(0,n) && !OR(0)
#elif ISLAND==6          /* twin: without a gap, but only those on its links */
       GATE(n) && (LINK(0,n) || LINK(1,n)) && (!LINK(0,n) || !OR(0)) && (!LINK(1,n) || !OR(1))
#endif
       -> pr[n]=0;
       if :: LINK(0,n) -> ob[0].same[n]=0; ob[0].unch[n]=0 :: else fi;
#if ISLAND!=4
       if :: LINK(1,n) -> ob[1].same[n]=0; ob[1].unch[n]=0 :: else fi;
#endif
       printf("EV inc%d: islanded\n",IID(n)) }
  fi
}
#endif

#ifdef LIVE
/* one process per party, so that weak fairness is per party */
proctype Clock() { byte i; byte j; do :: ClockB() od }
proctype Heartbeat(byte n) { byte j; do :: HeartbeatB(n) od }
proctype Node(byte n) { byte j; byte k; do :: NodeB(n) od }
proctype Command(byte n) { byte r; do :: CommandB(n) od }
proctype Observer(byte o; byte n) { do :: ObserverB(o,n) od }
proctype Fault() { byte i; do :: FaultB() od }
proctype Restart(byte n) { do :: RestartB(n) od }
#else
proctype System() {
  byte i; byte j; byte k; byte r;
  do
  :: ClockB() :: HeartbeatB(0) :: HeartbeatB(1) :: NodeB(0) :: NodeB(1) :: CommandB(0) :: CommandB(1)
  :: ObserverB(0,0) :: ObserverB(0,1)
#if NOBS>1
  :: ObserverB(1,0) :: ObserverB(1,1)
#endif
  :: FaultB() :: RestartB(0) :: RestartB(1)
#ifdef ISLAND
  :: AskB(0)
#endif
/* Not a property: whether an interesting state is reached at all, so that what holds does not hold of nothing. Each must break. */
#ifdef REACH
#if REACH==1             /* a takeover by certificate: the second owner speaks */
  :: d_step { maxEmit==2 && recOwner==1 && tSt[0]==2 -> assert(false) }
#elif REACH==2           /* after a rollback the owner claimed again and speaks under the new tag */
  :: d_step { rid==1 && maxEmit==3 && own[0]==HELD && mytag[0]==3 -> assert(false) }
#elif REACH==3           /* memory takes a room back from a record that names another, before grace */
  :: d_step { rid==1 && own[1]==STALE && !lapsed[1] && recOwner==0 && tSt[0]==1 && recTag<mytag[1] && ct[1]==CLAIM && hist[1]<GRACE -> assert(false) }
#elif REACH==4           /* a room is claimed from an owner that this history never knew */
  :: d_step { rid==1 && maxEmit==2 && own[1]==HELD && tSt[0]==0 -> assert(false) }
#elif REACH==5           /* a handover: the target speaks and the first owner lives on */
  :: d_step { maxEmit==2 && own[1]==HELD && recOwner==1 && tSt[0]==1 && relLeft==RELEASES -> assert(false) }
#elif REACH==6           /* an owner past its lease speaks, islanded */
  :: d_step { age[0]>=FENCE && GATE(0) && own[0]==HELD && cutNow -> assert(false) }
#endif
#endif
  od
}
#endif
init {
  atomic {
    up[0]=1; up[1]=1; reg[0]=1; reg[1]=1; joined[0]=1; joined[1]=1; tInc[0]=0; tInc[1]=1; tSt[0]=1; tSt[1]=1;
    hist[0]=GRACE; hist[1]=GRACE; own[0]=HELD; mytag[0]=1;
#ifndef WIRE             /* with WIRE the first owner's frame, too, is to be seen waiting */
    maxEmit=1;
#endif
#ifdef ISLAND
    pr[0]=FENCE; pr[1]=FENCE;
#endif
#ifdef LIVE
    run Clock(); run Heartbeat(0); run Heartbeat(1); run Node(0); run Node(1); run Command(0); run Command(1);
    run Observer(0,0); run Observer(0,1); run Fault(); run Restart(0); run Restart(1)
#else
    run System()
#endif
  }
}
#ifdef LIVE
#define OWNS(n) (recOwner==IID(n) && up[n] && reg[n] && own[n]==HELD && mytag[n]==recTag && tSt[n]==1)
ltl i3 { [] (stable -> <> [] (OWNS(0) || OWNS(1))) }
#endif
