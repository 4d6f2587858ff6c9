#include "services/dialplan/core/route_rules.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "services/dialplan/core/host_text.h"
#include "services/dialplan/core/number_rules.h"

namespace sallyport::dialplan {
namespace {

constexpr uint32_t kSipPort = 5060;
constexpr uint32_t kSipTlsPort = 5061;
constexpr uint32_t kMaxPort = 65535;

bool Has(const RouteListEntry* list, const std::string& peer) {
  return list != nullptr &&
         std::any_of(list->members.begin(), list->members.end(),
                     [&](const auto& m) { return m.peer == peer; });
}

}  // namespace

void CheckRouteList(const RuleContext& c, const RouteListEntry& list) {
  if (list.members.empty()) {
    c.Add("route_list.members", "VALUE_REQUIRED", "give at least one peer");
  }
  std::set<std::string_view> seen;
  const RouteListEntry* old = c.Before<RouteListEntry>();
  for (size_t i = 0; i < list.members.size(); ++i) {
    const RouteListMember& member = list.members[i];
    const std::string path = ItemPath("route_list.members", i);
    if (member.peer.empty()) {
      c.Add(path + ".peer", "VALUE_REQUIRED", "name a peer");
    } else if (!seen.insert(member.peer).second) {
      c.Add(path + ".peer", "DUPLICATE_VALUE", "it is given twice");
    } else if (!Has(old, member.peer)) {
      CheckChosenPeer(c, path + ".peer", member.peer);
    }
    // Which pattern a call matched is not known here.
    CheckCalledChange(c, path + ".called_party", member.transformation,
                      nullptr);
    CheckCallingChange(c, path + ".calling_party", member.transformation);
  }
}

void CheckServerGroup(const RuleContext& c, const ServerGroupEntry& group) {
  if (group.members.empty()) {
    c.Add("server_group.members", "VALUE_REQUIRED", "give at least one server");
  }
  std::set<std::tuple<std::string, uint32_t, uint32_t>> seen;
  for (size_t i = 0; i < group.members.size(); ++i) {
    const ServerGroupMember& member = group.members[i];
    const std::string path = ItemPath("server_group.members", i);
    if (!IsHostName(member.host) && !IsAddress(member.host)) {
      c.Add(path + ".host", "HOST_NAME_INVALID",
            "must be a host name or an address");
    }
    const auto in_range = [&](const char* field, uint32_t value) {
      if (value > kMaxPort) {
        c.Add(path + field, "VALUE_OUT_OF_RANGE", "must be 0 to 65535");
      }
    };
    in_range(".port", member.port);
    in_range(".secure_port", member.secure_port);
    in_range(".priority", member.priority);  // RFC 2782
    in_range(".weight", member.weight);
    const uint32_t port = member.port == 0 ? kSipPort : member.port;
    const uint32_t secure =
        member.secure_port == 0 ? kSipTlsPort : member.secure_port;
    if (port == secure) {
      c.Add(path + ".secure_port", "VALUE_CONFLICT",
            "a port is in clear or takes TLS, not both");
    }
    if (!seen.insert({member.host, port, secure}).second) {
      c.Add(path, "DUPLICATE_VALUE",
            "the host with these ports is given twice");
    }
  }
}

void CheckRestriction(const RuleContext& c,
                      const DiallingRestrictionEntry& restriction) {
  std::set<TollClass> classes;
  for (size_t i = 0; i < restriction.allowed.size(); ++i) {
    if (!classes.insert(restriction.allowed[i]).second) {
      c.Add(ItemPath("dialling_restriction.allowed_toll_classes", i),
            "DUPLICATE_VALUE", "it is given twice");
    }
  }
  std::set<std::string_view> masks;
  for (size_t i = 0; i < restriction.rules.size(); ++i) {
    const DiallingRule& rule = restriction.rules[i];
    const std::string field =
        ItemPath("dialling_restriction.rules", i, ".number_mask");
    CheckPattern(c, field, rule.number_mask, "");
    // The first that matches decides, so this one never would.
    if (!masks.insert(rule.number_mask).second) {
      c.Add(field, "DUPLICATE_VALUE", "an earlier rule decides for it");
    }
  }
  for (size_t i = 0; i < restriction.toll_limits.size(); ++i) {
    std::set<TollClass> limited;
    for (const TollClass each : restriction.toll_limits[i].toll_classes) {
      const std::string field =
          ItemPath("dialling_restriction.toll_limits", i, ".toll_classes");
      if (!limited.insert(each).second) {
        c.Add(field, "DUPLICATE_VALUE", "a toll class is given twice");
      }
      if (each == TollClass::kEmergency) {
        c.Add(field, "TOLL_CLASS_NOT_ALLOWED",
              "a call for help is never limited");
      }
    }
  }
}

}  // namespace sallyport::dialplan
