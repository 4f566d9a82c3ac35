/** Echo: says to each client alone what it said. Run it with `npm run node -- --program ./examples/echo.js --rooms 'echo-*'`. */
export default function echo() {
  return {
    message: (publish, room) => room.send(publish.member.session, publish.data),
  };
}
