// What one loop of an edge finds out and all others are to know.
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_NEWS_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_NEWS_H_

#include <cstdint>
#include <string>
#include <variant>

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

using LoopNews = std::variant<HealthNews, LampNews, HuntMemory::News, PortNews>;

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_LOOP_NEWS_H_
