// Bytes as a list of (advance, connection, input). Whatever comes: deadlines
// are not left in the past, nothing follows a Close, and memory is bounded.

#include "services/capf/core/capf_core.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <variant>

#include "services/common/random/fake_random.h"

namespace sallyport::capf {
namespace {

void Run(ByteSpan input) {
  FakeRandom random(1);
  CapfCoreOptions options;
  options.max_connections = 8;
  options.source_burst = 1000;
  CapfCore core(options, random);
  MonoTime now = MonoTime::FromOrigin(absl::Seconds(1));
  ConnectionId next = 1;
  std::set<ConnectionId> closed;
  while (input.size() >= 4) {
    now += absl::Milliseconds(input[0] * input[0]);
    const ConnectionId id = input[1] % 16 + 1;
    const uint8_t kind = input[2] % 9;
    const size_t size = std::min<size_t>(input[3], input.size() - 4);
    const ByteSpan data = input.subspan(4, size);
    input.remove_prefix(4 + size);
    CapfCore::Actions actions;
    switch (kind) {
      case 0:
        actions = core.OnConnected(next++, "source", now);
        break;
      case 1:
        actions = core.OnSecured(id, now);
        break;
      case 2:
        actions = core.OnClosed(id, now);
        if (id < next) closed.insert(id);
        for (const auto& action : actions) {
          if (std::holds_alternative<CapfSession::Send>(action.action)) abort();
        }
        break;
      case 3:
        actions =
            core.OnAdmission(id,
                             {.verdict = static_cast<Verdict>(size % 5),
                              .enrollment = "e",
                              .key = {.kind = static_cast<KeyKind>(size % 4)}},
                             now);
        break;
      case 4:
        actions =
            core.OnIssued(id, IssuedLsc{"01", std::string(AsText(data))}, now);
        break;
      case 5:
        actions = core.OnIssued(id, absl::InternalError("x"), now);
        break;
      case 6:
        actions = core.OnRecorded(
            id, size % 2 ? absl::OkStatus() : absl::InternalError("x"), now);
        break;
      default:
        actions = core.OnData(id, data, now);
        break;
    }
    for (const auto& action : core.OnDeadline(now)) actions.push_back(action);
    for (const auto& action : actions) {
      if (closed.contains(action.connection) && kind != 2) abort();
      if (std::holds_alternative<CapfSession::Close>(action.action)) {
        closed.insert(action.connection);
      }
    }
    if (core.deadline() <= now) abort();
    if (core.connections() > 8) abort();
  }
}

}  // namespace
}  // namespace sallyport::capf

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sallyport::capf::Run({data, size});
  return 0;
}
