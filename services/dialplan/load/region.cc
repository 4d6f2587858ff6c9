#include "services/dialplan/load/region.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
namespace type = ::sallyport::type::v1;

constexpr int kVisiblePartitions = 5;

std::string Tenant(int t) { return absl::StrCat("tenants/t", t); }

// Things are dealt out to the tenants in turn: the i-th is the (i / tenants)-th
// of its own.
int Own(const Region& region, int i) { return i / region.tenants; }
int Share(const Region& region, int count) {
  return std::max(1, count / region.tenants);
}

int PartitionOfPattern(const Region& region, int i) {
  return Own(region, i) % Share(region, region.partitions);
}

}  // namespace

std::string TenantOfPattern(const Region& region, int i) {
  return Tenant(i % region.tenants);
}

std::string NameOfPattern(const Region& region, int i) {
  return absl::StrCat(TenantOfPattern(region, i), "/routePatterns/r", i);
}

std::string NumberOf(const Region& region, int i) {
  return absl::StrCat("91", 100'000 + Own(region, i), "0123");
}

bool IsVisible(const Region& region, int i) {
  return PartitionOfPattern(region, i) < kVisiblePartitions;
}

std::string SearchSpaceOf(const std::string& tenant) {
  return tenant + "/callingSearchSpaces/dial";
}

absl::Status ForEachResource(
    const Region& region,
    absl::FunctionRef<absl::Status(const pb::Resource&)> visit) {
  const int partitions = Share(region, region.partitions);
  const int peers = Share(region, region.peers);
  for (int t = 0; t < region.tenants; ++t) {
    const std::string name = Tenant(t);
    pb::Resource tenant;
    tenant.mutable_tenant()->set_name(name);
    tenant.mutable_tenant()->add_domains(absl::StrCat("t", t, ".region.test"));
    SP_RETURN_IF_ERROR(visit(tenant));
    pb::Resource plan;
    plan.mutable_dial_plan()->set_name(name + "/dialPlans/secured");
    plan.mutable_dial_plan()->set_security_mode(type::SECURITY_MODE_SECURED);
    plan.mutable_dial_plan()->set_number_of_digits_in_extension(4);
    SP_RETURN_IF_ERROR(visit(plan));
    pb::Resource space;
    space.mutable_calling_search_space()->set_name(SearchSpaceOf(name));
    for (int p = 0; p < partitions; ++p) {
      pb::Resource partition;
      partition.mutable_partition()->set_name(
          absl::StrCat(name, "/partitions/p", p));
      SP_RETURN_IF_ERROR(visit(partition));
      if (p < kVisiblePartitions) {
        space.mutable_calling_search_space()->add_partitions(
            partition.partition().name());
      }
    }
    SP_RETURN_IF_ERROR(visit(space));
    for (int p = 0; p < peers; ++p) {
      pb::Resource resource;
      pb::Peer& peer = *resource.mutable_peer();
      peer.set_name(absl::StrCat(name, "/peers/gw", p));
      peer.set_kind(pb::PEER_KIND_IP_GATEWAY);
      peer.set_fqdn(absl::StrCat("gw", p, ".t", t, ".region.test"));
      peer.set_dial_plan(plan.dial_plan().name());
      peer.set_outcalls_allowed(true);
      SP_RETURN_IF_ERROR(visit(resource));
    }
  }
  for (int i = 0; i < region.patterns; ++i) {
    const std::string tenant = TenantOfPattern(region, i);
    pb::Resource resource;
    pb::RoutePattern& pattern = *resource.mutable_route_pattern();
    pattern.set_name(NameOfPattern(region, i));
    pattern.set_pattern(absl::StrCat("9.1", 100'000 + Own(region, i), "XXXX"));
    pattern.set_partition(
        absl::StrCat(tenant, "/partitions/p", PartitionOfPattern(region, i)));
    pattern.set_peer(absl::StrCat(tenant, "/peers/gw", Own(region, i) % peers));
    SP_RETURN_IF_ERROR(visit(resource));
  }
  for (int i = 0; i < region.users; ++i) {
    const int t = i % region.tenants;
    pb::Resource resource;
    pb::User& user = *resource.mutable_user();
    user.set_name(absl::StrCat(Tenant(t), "/users/u", i));
    user.set_username(absl::StrCat("user", i));
    user.set_domain(absl::StrCat("t", t, ".region.test"));
    user.set_dial_plan(Tenant(t) + "/dialPlans/secured");
    SP_RETURN_IF_ERROR(visit(resource));
  }
  return absl::OkStatus();
}

}  // namespace sallyport::dialplan
