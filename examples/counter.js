/** A counter whose state survives a handover: `{"type":"publish","data":{"add":2}}` adds, and everyone hears the sum. */
export default function counter(_room, state) {
  let count = typeof state?.count === 'number' ? state.count : 0;
  return {
    message(publish, room) {
      const add = publish.data?.add;
      if (typeof add !== 'number' || !Number.isFinite(add)) {
        room.send(publish.member.session, { error: 'publish {"add": number}' });
        return;
      }
      count += add;
      room.broadcast({ count, by: publish.member.user, epoch: room.epoch });
    },
    join: (member, room) => room.send(member.session, { count }),
    state: () => ({ count }),
  };
}
