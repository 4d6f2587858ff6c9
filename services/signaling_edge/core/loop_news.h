// What one loop of an edge finds out and all others are to know.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_NEWS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_NEWS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "services/signaling_edge/core/message_summary.h"
#include "services/signaling_edge/core/remote_flow.h"
#include "services/signaling_edge/core/ring_plan.h"
#include "services/signaling_edge/core/sccp_port.h"

namespace sallyport::signaling_edge {

// A server that is asked by OPTIONS (OptionsMonitor::OnTold).
struct HealthNews {
  std::string member;
  bool up = false;
};
// A mailbox's messages (MessageWaiting::OnTold).
struct LampNews {
  std::string mailbox;
  MessageSummary summary;
};

// A voicemail port of the teller has come, or gone.
struct PortNews {
  bool up = false;
  SccpPort port;
  std::string contact;
  RemoteFlow flow;
};

// An attended transfer at loop `from` wants the far side of a call that loop
// `to` has, which `replaces` names and `resource` is in.
struct LegWanted {
  uint32_t from = 0;
  uint32_t to = 0;
  uint64_t transfer = 0;  // the call that it is of
  std::string replaces;
  std::string resource;
};

// The answer: the leg, or why not. Nobody but `to` looks into it.
struct GivenLeg;
struct LegGiven {
  uint32_t to = 0;
  uint64_t transfer = 0;
  absl::Status status;
  std::shared_ptr<GivenLeg> leg;
};

using LoopNews = std::variant<HealthNews, LampNews, HuntMemory::News, PortNews,
                              LegWanted, LegGiven>;

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_NEWS_H_
