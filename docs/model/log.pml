/* The log of a room: append, ack, replay, rollback, repair.
 *
 * Owns: numbering and content. Does not know: time. There is no clock here at all: any node may claim from any other at any moment,
 * as if certificates were written at random. What holds here holds whatever clocks, pauses or partitions do.
 *
 * One room, two nodes of up to MAXINC incarnations each, one client that both sends and reads, a log of at most H entries.
 * To a log a handover is a claim by its target (the head is taken inside either script), so there is no event of its own for it.
 *
 * I1  an append is accepted only under the newest claim of the history in force; tags in the log never go down.
 * I2  whenever the client sits at a working owner that has nothing open, whatever it was given since its last reset (ack, cast or
 *     replay) stands in the log at that seq: no acked entry is silently replaced.
 *
 * A "twin" is a rule taken away: it has to break. README.md says which line of the code each rule stands for.
 */

/* --- bounds of the search --- */
#ifndef H
#define H 3
#endif
#ifndef MAXMSG
#define MAXMSG 3
#endif
#ifndef MAXTAG
#define MAXTAG 3
#endif
#ifndef MAXINC
#define MAXINC 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef ROLLBACKS
#define ROLLBACKS 1
#endif
#define NONE 9
#define NT 8

/* --- Redis: the record, head and entries (tag and message of each), which history; a snapshot that will survive --- */
byte rOwn=0; byte rTag=1; byte head=0; byte lT[4]; byte lM[4]; byte newest=1; byte rid=0;
bit  sTaken; byte sOwn, sTag, sHead, sNew; byte sT[4]; byte sM[4]; byte rbLeft=ROLLBACKS;
/* --- ghosts and budgets; epoch of each tag --- */
byte nTag=1; byte nMsg=0; byte crLeft=CRASHES; byte ep[NT];

/* --- nodes. own: 0 does not hold the room, 1 holds it, 2 held it before the history changed. com: what it knows to be committed.
 * pend: the message that waits for its append. mem: what it committed, by seq --- */
bit up[2]; byte inc[2]; byte own[2]; byte tag[2]; byte com[2]; byte myrun[2]; byte pend[2];
typedef Mem { byte m[4]; byte t[4] };
Mem mem[2];
byte ct[2]; byte ctag[2]; byte ccom[2]; byte cmsg[2]; byte cres[2]; byte cseq[2];  /* 1 claim 2 append; cres 0 in flight 1 ok 2 fenced/refused 3 rolled back */
byte oc[2]; byte otag[2]; byte ocom[2]; byte omsg[2]; byte owho[2];

/* --- the client: its seat, cursor (seq and tag), what it was given, and seq of its last reset --- */
byte att=NONE; byte cs=0; byte cT=0; byte cv[4]; byte creset=0;

#ifdef NO_RUN_CHECK   /* twin: the log connection reconnects by itself and nobody looks at the run id before the next append */
#define SEESRUN(n) true
#else
#define SEESRUN(n) (myrun[n]==rid)
#endif
#define IID(n) (n+2*inc[n])
/* A tag is epoch and nonce.  Twin NO_NONCE: the epoch alone, which a rollback gives out a second time. */
#ifdef NO_NONCE
#define SAME(a,b) (ep[a]==ep[b])
#else
#define SAME(a,b) (a==b)
#endif
/* Twin NO_FENCE: the append does not compare the triple. */
#ifdef NO_FENCE
#define TRIPLE(w,t) true
#else
#define TRIPLE(w,t) (rOwn==w && SAME(rTag,t))
#endif

inline clrcmd(n) { ct[n]=0; ctag[n]=0; ccom[n]=0; cmsg[n]=0; cres[n]=0; cseq[n]=0 }
inline clrorph(n) { oc[n]=0; otag[n]=0; ocom[n]=0; omsg[n]=0; owho[n]=0 }
inline orphan(n) { oc[n]=ct[n]; otag[n]=ctag[n]; ocom[n]=ccom[n]; omsg[n]=cmsg[n]; owho[n]=IID(n) }
inline forget(n) { i=1; do :: i<=H -> mem[n].m[i]=0; mem[n].t[i]=0; i++ :: else -> break od; i=0; com[n]=0; tag[n]=0; own[n]=0; pend[n]=0; if :: att==n -> att=NONE :: else fi }

/* Redis executes a claim or an append: r 1 done, 2 fenced or refused, 3 rolled back; q the tag or the seq.
 * An append goes: triple, then head against what the owner committed (NO_BASE takes that away: a second net, since the
 * claim after a change of history comes first), then dedupe, then the entry. */
inline exec(typ,who,tg,cm,msg,r,q) {
  r=2; q=0;
  if
  :: typ==1 ->
     if :: (rTag==tg && nTag<MAXTAG) -> nTag++; ep[nTag]=ep[rTag]+1; rOwn=who; rTag=nTag; newest=nTag; r=1; q=nTag;
           printf("EV redis: CLAIM by inc%d ok: tag %d (epoch %d), head %d\n",who,nTag,ep[nTag],head)
     :: else fi
  :: typ==2 ->
     if
     :: !TRIPLE(who,tg) -> printf("EV redis: APPEND m%d by inc%d fenced\n",msg,who)
     :: else ->
        if
#ifndef NO_BASE
        :: head<cm -> r=3; printf("EV redis: APPEND m%d by inc%d: rolled back (head %d, committed %d)\n",msg,who,head,cm)
#endif
        :: else ->
           i=1; do :: i<=head && lM[i]!=msg -> i++ :: else -> break od;
           if :: i<=head -> r=1; q=i
              :: else ->
                 if :: head<H -> head++; lT[head]=tg; lM[head]=msg; r=1; q=head;
                       printf("EV redis: APPEND m%d by inc%d at seq %d, tag %d\n",msg,who,head,tg);
                       assert(tg==newest);                                   /* I1 */
                       assert(head==1 || lT[head-1]<=lT[head])               /* I1 */
                 :: else -> r=2 fi
           fi; i=0
        fi
     fi
  fi
}
/* CLAIM: at once where nothing is held; after a change of history only once the log is repaired as far as memory goes, and always
 * as a new claim, never by verifying (twin VERIFY). Then APPEND, replies, timeouts, repair, the client's seat and the check of I2. */
inline NodeB(n) {
  if
  :: d_step { up[n] && ct[n]==0 && myrun[n]==rid && nTag<MAXTAG && (own[n]==0 || (own[n]==2 && rOwn==IID(n) && rTag==tag[n]
#ifdef VERIFY
       && false
#else
       && (head>=com[n] || mem[n].m[head+1]==0)       /* repaired as far as memory goes */
#endif
       ) || (own[n]==2 && !(rOwn==IID(n) && rTag==tag[n]))) ->
       ct[n]=1; ctag[n]=rTag; cres[n]=0; printf("EV inc%d: sends CLAIM (saw tag %d)\n",IID(n),rTag) }
  :: d_step { up[n] && own[n]==1 && ct[n]==0 && SEESRUN(n) && (pend[n]!=0 || nMsg<MAXMSG) ->
       if :: pend[n]==0 -> nMsg++; pend[n]=nMsg :: else fi;
       ct[n]=2; ctag[n]=tag[n]; ccom[n]=com[n]; cmsg[n]=pend[n]; cres[n]=0; printf("EV inc%d: sends APPEND m%d (tag %d, committed %d)\n",IID(n),pend[n],tag[n],com[n]) }
  :: d_step { ct[n]!=0 && cres[n]==0 -> exec(ct[n],IID(n),ctag[n],ccom[n],cmsg[n],cres[n],cseq[n]) }
  :: d_step { oc[n]!=0 -> printf("EV (late) "); exec(oc[n],owho[n],otag[n],ocom[n],omsg[n],r,k); clrorph(n); r=0; k=0 }
  /* replies */
  :: d_step { ct[n]==1 && cres[n]!=0 ->
       if :: cres[n]==1 && myrun[n]==rid -> own[n]=1; tag[n]=cseq[n]; com[n]=head; printf("EV inc%d: owns the room, tag %d, head %d\n",IID(n),tag[n],head);
             if :: att==n -> att=NONE :: else fi     /* a new tag: every session shows its cursor again */
          :: else -> forget(n) fi;
       clrcmd(n) }
  :: d_step { ct[n]==2 && cres[n]!=0 ->
       if
       :: cres[n]==1 ->
          printf("EV inc%d: m%d committed at %d\n",IID(n),cmsg[n],cseq[n]);
          if :: cseq[n]>com[n] ->
                if :: own[n]!=0 -> mem[n].m[cseq[n]]=cmsg[n]; mem[n].t[cseq[n]]=ctag[n];
                      com[n]=cseq[n] :: else fi
             :: else fi;
          if :: att==n && cs+1==cseq[n] -> cs++; cv[cs]=cmsg[n]; cT=ctag[n]; printf("EV client: gets m%d at %d\n",cmsg[n],cs)
             :: att==n && cs+1<cseq[n] -> att=NONE
             :: else fi;
          if :: pend[n]==cmsg[n] -> pend[n]=0 :: else fi
       :: cres[n]==2 -> forget(n)
       :: cres[n]==3 -> if :: own[n]==1 -> own[n]=2 :: else fi
       fi;
       clrcmd(n) }
  /* timeout: late, lost, or executed with the reply lost; the message may be kept for a retry or given up */
  :: d_step { ct[n]!=0 -> if :: cres[n]==0 && oc[n]==0 -> orphan(n) :: else fi; printf("EV inc%d: command %d times out\n",IID(n),ct[n]); clrcmd(n) }
  :: d_step { ct[n]==0 && pend[n]!=0 -> printf("EV inc%d: gives up on m%d\n",IID(n),pend[n]); pend[n]=0 }
  :: d_step { up[n] && myrun[n]!=rid -> myrun[n]=rid; if :: own[n]==1 -> own[n]=2 :: else fi;
       if :: ct[n]!=0 && cres[n]==0 && oc[n]==0 -> orphan(n) :: else fi; clrcmd(n);
       printf("EV inc%d: notices another history of Redis\n",IID(n)) }
  /* repair: what was committed and is gone comes back from memory, under its own tag, fenced by the triple */
  :: d_step { up[n] && own[n]==2 && ct[n]==0 && myrun[n]==rid && rOwn==IID(n) && rTag==tag[n] && head<com[n] && mem[n].m[head+1]!=0 ->
       head++; lM[head]=mem[n].m[head]; lT[head]=mem[n].t[head]; printf("EV inc%d: repairs seq %d with m%d\n",IID(n),head,lM[head]) }
#ifdef VERIFY
  :: d_step { up[n] && own[n]==2 && ct[n]==0 && myrun[n]==rid && rOwn==IID(n) && rTag==tag[n] && head>=com[n] -> own[n]=1; com[n]=head;
       printf("EV inc%d: VERIFY ok, goes on with tag %d, head %d\n",IID(n),tag[n],head) }
  :: d_step { up[n] && own[n]==2 && ct[n]==0 && myrun[n]==rid && rOwn==IID(n) && rTag==tag[n] && head<com[n] && mem[n].m[head+1]==0 -> forget(n) }
#endif
  :: d_step { up[n] && crLeft>0 -> crLeft--; printf("EV inc%d CRASHES\n",IID(n)); if :: ct[n]!=0 && cres[n]==0 && oc[n]==0 -> orphan(n) :: else fi; clrcmd(n); forget(n); up[n]=0; myrun[n]=0 }
  :: d_step { !up[n] && inc[n]<MAXINC-1 -> inc[n]++; up[n]=1; myrun[n]=rid; printf("EV node%d restarts as inc%d\n",n,IID(n)) }
  /* the client takes a seat: cursor (cs,cT) is compared with the log */
  :: d_step { att==NONE && up[n] && own[n]==1 && myrun[n]==rid ->
       k=head;
       if
       :: cs<=head && (cs==0 || SAME(lT[cs],cT)) ->
          do :: cs<k -> cs++; cv[cs]=lM[cs]; cT=lT[cs] :: else -> break od;
          printf("EV client: seat at inc%d RESUMED, cursor %d tag %d\n",IID(n),cs,cT)
       :: else ->
          creset=k; cs=k; cT=(k>0 -> lT[k] : 0); i=1; do :: i<=H -> cv[i]=0; i++ :: else -> break od; i=0;
          printf("EV client: seat at inc%d RESET, cursor %d\n",IID(n),cs)
       fi; att=n; k=0 }
  /* I2 */
  :: d_step { att==n && up[n] && own[n]==1 && ct[n]==0 && myrun[n]==rid && rOwn==IID(n) && rTag==tag[n] && head==com[n] ->
       assert(cs<=head);
       i=creset+1; do :: i<=cs -> assert(cv[i]==lM[i]); i++ :: else -> break od; i=0 }
  fi
}
/* The old Redis process takes with it what was sent and not executed.  LATE_COMMANDS: a proxy delivers it to the new one. */
inline lostconn() {
#ifndef LATE_COMMANDS
  i=0; do :: i<2 -> clrorph(i); if :: ct[i]!=0 && cres[i]==0 -> clrcmd(i) :: else fi; i++ :: else -> break od; i=0
#else
  skip
#endif
}
inline EnvB() {
  if
  :: d_step { att!=NONE -> att=NONE }
  :: d_step { !sTaken && rbLeft>0 -> sTaken=1; sOwn=rOwn; sTag=rTag; sHead=head; sNew=newest; i=1; do :: i<=H -> sT[i]=lT[i]; sM[i]=lM[i]; i++ :: else -> break od; i=0;
       printf("EV (state that will survive is taken here)\n") }
  :: d_step { sTaken && rbLeft>0 -> rbLeft--; sTaken=0; rid++; rOwn=sOwn; rTag=sTag; head=sHead; newest=sNew;
       i=1; do :: i<=H -> lT[i]=sT[i]; lM[i]=sM[i]; sT[i]=0; sM[i]=0; i++ :: else -> break od; i=0; sOwn=0; sTag=0; sHead=0; sNew=0;
       lostconn(); printf("EV REDIS ROLLED BACK: owner inc%d tag %d head %d\n",rOwn,rTag,head) }
#ifdef EMPTY
  :: d_step { rbLeft>0 -> rbLeft--; sTaken=0; rid++; rOwn=NONE; rTag=0; head=0; newest=0; 
       i=1; do :: i<=H -> lT[i]=0; lM[i]=0; sT[i]=0; sM[i]=0; i++ :: else -> break od; i=0; sOwn=0; sTag=0; sHead=0; sNew=0;
       lostconn(); printf("EV REDIS RESTARTED EMPTY\n") }
#endif
  fi
}
active proctype Sys() {
  byte i; byte k; byte r;
  d_step { up[0]=1; up[1]=1; own[0]=1; tag[0]=1; ep[1]=1; rOwn=0; rTag=1 };
  do
  :: NodeB(0) :: NodeB(1) :: EnvB()
  od
}
