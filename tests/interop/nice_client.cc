// Two libnice agents that talk to each other through a TURN server alone.
//
//   nice_client rfc5245|oc2007r2 udp|tcp|tls PORT USER PASSWORD
//
// TLS of oc2007r2 is the pseudo-TLS of A/V Edge clients.
// PORT is on 127.0.0.1. Gathers, checks and sends messages both ways; prints
// "exchanged N" and ends with 0 when all of them came.

#include <nice/agent.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr int kMessages = 50;

struct Side {
  NiceAgent* agent = nullptr;
  guint stream = 0;
  bool gathered = false;
  guint state = NICE_COMPONENT_STATE_LAST;
  int received = 0;
  int wrong = 0;
};

void OnGathered(NiceAgent*, guint, gpointer data) {
  static_cast<Side*>(data)->gathered = true;
}

void OnState(NiceAgent*, guint, guint, guint state, gpointer data) {
  static_cast<Side*>(data)->state = state;
}

// A connectivity check of the other agent. In its dialect of Microsoft's,
// libnice makes fingerprints by a table of CRC-32 with a typing error and may
// check them by the right one: where they differ (by just that error), it
// takes its own check for data.
bool IsCheck(const std::string& octets) {
  return octets.size() >= 20 && octets.compare(0, 2, {"\0\1", 2}) == 0 &&
         octets.compare(4, 4, "\x21\x12\xa4\x42") == 0;
}

void OnReceived(NiceAgent*, guint, guint, guint size, gchar* bytes,
                gpointer data) {
  Side& side = *static_cast<Side*>(data);
  if (IsCheck(std::string(bytes, size))) return;
  const std::string want = "message " + std::to_string(side.received);
  if (std::string(bytes, size) != want) ++side.wrong;
  ++side.received;
}

gboolean OnTimeout(gpointer) {
  std::puts("timed out");
  std::exit(3);
}

void Prepare(Side& side, NiceCompatibility compatibility, NiceRelayType type,
             bool controlling, guint port, const char* user,
             const char* password) {
  side.agent = nice_agent_new(nullptr, compatibility);
  const bool tcp = type != NICE_RELAY_TYPE_TURN_UDP;
  g_object_set(side.agent, "upnp", FALSE, "ice-tcp",
               tcp && compatibility == NICE_COMPATIBILITY_OC2007R2, "ice-udp",
               !(tcp && compatibility == NICE_COMPATIBILITY_OC2007R2),
               "force-relay", TRUE, "controlling-mode", controlling, nullptr);
  NiceAddress local;
  nice_address_init(&local);
  nice_address_set_from_string(&local, "127.0.0.1");
  nice_agent_add_local_address(side.agent, &local);
  g_signal_connect(side.agent, "candidate-gathering-done",
                   G_CALLBACK(OnGathered), &side);
  g_signal_connect(side.agent, "component-state-changed", G_CALLBACK(OnState),
                   &side);
  side.stream = nice_agent_add_stream(side.agent, 1);
  nice_agent_set_relay_info(side.agent, side.stream, 1, "127.0.0.1", port, user,
                            password, type);
  nice_agent_attach_recv(side.agent, side.stream, 1, g_main_context_default(),
                         OnReceived, &side);
  if (!nice_agent_gather_candidates(side.agent, side.stream)) {
    std::puts("nothing gathered");
    std::exit(4);
  }
}

// Tells `to` the relayed candidates of `from`; returns how many.
int Tell(Side& from, Side& to) {
  gchar* ufrag = nullptr;
  gchar* password = nullptr;
  nice_agent_get_local_credentials(from.agent, from.stream, &ufrag, &password);
  nice_agent_set_remote_credentials(to.agent, to.stream, ufrag, password);
  g_free(ufrag);
  g_free(password);
  GSList* const all =
      nice_agent_get_local_candidates(from.agent, from.stream, 1);
  GSList* relayed = nullptr;
  int count = 0;
  for (GSList* i = all; i != nullptr; i = i->next) {
    auto* candidate = static_cast<NiceCandidate*>(i->data);
    if (candidate->type != NICE_CANDIDATE_TYPE_RELAYED) continue;
    relayed = g_slist_append(relayed, candidate);
    ++count;
  }
  nice_agent_set_remote_candidates(to.agent, to.stream, 1, relayed);
  g_slist_free(relayed);
  g_slist_free_full(all, reinterpret_cast<GDestroyNotify>(nice_candidate_free));
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::puts(
        "usage: nice_client rfc5245|oc2007r2 udp|tcp|tls PORT USER PASSWORD");
    return 2;
  }
  const NiceCompatibility compatibility = std::strcmp(argv[1], "oc2007r2") == 0
                                              ? NICE_COMPATIBILITY_OC2007R2
                                              : NICE_COMPATIBILITY_RFC5245;
  const NiceRelayType type =
      std::strcmp(argv[2], "udp") == 0   ? NICE_RELAY_TYPE_TURN_UDP
      : std::strcmp(argv[2], "tcp") == 0 ? NICE_RELAY_TYPE_TURN_TCP
                                         : NICE_RELAY_TYPE_TURN_TLS;
  const guint port = static_cast<guint>(std::atoi(argv[3]));
  g_timeout_add_seconds(25, OnTimeout, nullptr);
  Side left;
  Side right;
  Prepare(left, compatibility, type, true, port, argv[4], argv[5]);
  Prepare(right, compatibility, type, false, port, argv[4], argv[5]);
  const auto turn = [] { g_main_context_iteration(nullptr, TRUE); };
  while (!left.gathered || !right.gathered) turn();
  const int there = Tell(left, right);
  const int back = Tell(right, left);
  std::printf("relayed candidates %d and %d\n", there, back);
  if (there == 0 || back == 0) return 5;
  while (left.state != NICE_COMPONENT_STATE_READY ||
         right.state != NICE_COMPONENT_STATE_READY) {
    turn();
  }
  std::puts("ready");
  for (int i = 0; i < kMessages; ++i) {
    const std::string message = "message " + std::to_string(i);
    const auto send = [&](Side& side) {
      return nice_agent_send(side.agent, side.stream, 1,
                             static_cast<guint>(message.size()),
                             message.c_str());
    };
    while (send(left) < 0) turn();
    while (send(right) < 0) turn();
    while (left.received <= i || right.received <= i) turn();
  }
  std::printf("exchanged %d, %d wrong\n", left.received + right.received,
              left.wrong + right.wrong);
  return left.wrong + right.wrong == 0 ? 0 : 6;
}
