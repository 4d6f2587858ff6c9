// Writes to a dialplan from many clients at once, and remembers what was
// acknowledged; later, checks that a dialplan has it.
//
//   write_load run   TARGET PKI_FOLDER --clients=N --seconds=S [--journal=FILE]
//       [--prefix=P]
//   write_load check TARGET PKI_FOLDER --journal=FILE
//
// `run` ends after S seconds, or when the service is gone. Its last line is a
// JSON object of figures. The journal has a line a resource: its name, the
// acknowledged state, the state asked for by the write that was not answered
// ("=": there was none). States: "-" is not there, others are descriptions.
// Resources of one import or apply share a group: all of them are there or
// none. `check` exits 1, and says why, if what is there is not what it may be.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/status_grpc.h"
#include "services/dialplan/load/load_client.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using Stub = pb::DialplanService::Stub;

constexpr char kTenant[] = "tenants/soak";
constexpr int kImported = 5;  // lines of one import
constexpr char kAbsent[] = "-";
constexpr char kNone[] = "=";

struct Flags {
  std::string mode, target, pki, journal, prefix = "p";
  int clients = 64;
  double seconds = 10;
};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "write_load: %s\n", what.c_str());
  std::exit(2);
}

Flags ReadFlags(int argc, char** argv) {
  if (argc < 4) Die("usage: write_load run|check TARGET PKI_FOLDER ...");
  Flags out;
  out.mode = argv[1];
  out.target = argv[2];
  out.pki = argv[3];
  for (int i = 4; i < argc; ++i) {
    const std::pair<std::string, std::string> flag =
        absl::StrSplit(argv[i], absl::MaxSplits('=', 1));
    if (flag.first == "--journal") {
      out.journal = flag.second;
    } else if (flag.first == "--prefix") {
      out.prefix = flag.second;
    } else if (!(flag.first == "--clients" &&
                 absl::SimpleAtoi(flag.second, &out.clients)) &&
               !(flag.first == "--seconds" &&
                 absl::SimpleAtod(flag.second, &out.seconds))) {
      Die(absl::StrCat("no such flag: ", argv[i]));
    }
  }
  return out;
}

std::unique_ptr<Stub> Connect(const Flags& flags) {
  auto channel = LoadChannel({flags.target, flags.pki}, "operator");
  if (!channel.ok()) Die(std::string(channel.status().message()));
  return pb::DialplanService::NewStub(*channel);
}

template <typename Request, typename Response>
absl::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*,
                                               const Request&, Response*),
                  const Request& request, Response* response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  return FromGrpc((stub.*method)(&context, request, response));
}

// What is known of one resource.
struct Entry {
  std::string acknowledged = kAbsent;
  std::string asked = kNone;
  std::string group = kNone;
};
using Journal = std::map<std::string, Entry>;

// One client: it writes to resources of its own only, so that it knows what
// must be there.
class Client {
 public:
  Client(Stub& stub, std::string prefix)
      : stub_(stub), prefix_(std::move(prefix)) {}

  // Until `end`, or the service is gone.
  void Run(absl::Time end) {
    for (int n = 0; absl::Now() < end; ++n) {
      const absl::Time start = absl::Now();
      const absl::Status status = Step(n);
      if (!status.ok()) {
        error_ = status;
        return;
      }
      latencies_.push_back(absl::Now() - start);
    }
  }

  const Journal& journal() const { return journal_; }
  const std::vector<absl::Duration>& latencies() const { return latencies_; }
  const absl::Status& error() const { return error_; }
  size_t resources_written() const { return written_; }

 private:
  // By turns: made, changed, sometimes removed; every 16th is several at once,
  // as an import or by ApplyChanges.
  absl::Status Step(int n) {
    if (n % 32 == 15) return Import(n);
    if (n % 32 == 31) return Apply(n);
    const std::string id = absl::StrCat(prefix_, "-", n / 3);
    switch (n % 3) {
      case 0:
        return Create(id, absl::StrCat("made ", n));
      case 1:
        return Update(id, absl::StrCat("changed ", n));
      default:
        return n / 3 % 2 == 0 ? Remove(id) : Update(id, absl::StrCat(n));
    }
  }

  // Remembers what is asked for, and that it was acknowledged.
  template <typename Write>
  absl::Status Ask(const std::vector<std::string>& names,
                   const std::string& state, Write write) {
    for (const std::string& name : names) journal_[name].asked = state;
    const absl::Status status = write();
    if (!status.ok()) return status;
    written_ += names.size();
    for (const std::string& name : names) {
      journal_[name].acknowledged = state;
      journal_[name].asked = kNone;
    }
    return status;
  }

  static std::string NameOf(const std::string& id) {
    return absl::StrCat(kTenant, "/partitions/", id);
  }

  absl::Status Create(const std::string& id, const std::string& state) {
    pb::CreatePartitionRequest request;
    request.set_parent(kTenant);
    request.set_partition_id(id);
    request.mutable_partition()->set_description(state);
    pb::Partition out;
    return Ask({NameOf(id)}, state, [&] {
      return Call(stub_, &Stub::CreatePartition, request, &out);
    });
  }

  absl::Status Update(const std::string& id, const std::string& state) {
    if (journal_[NameOf(id)].acknowledged == kAbsent) return Create(id, state);
    pb::UpdatePartitionRequest request;
    request.mutable_partition()->set_name(NameOf(id));
    request.mutable_partition()->set_description(state);
    pb::Partition out;
    return Ask({NameOf(id)}, state, [&] {
      return Call(stub_, &Stub::UpdatePartition, request, &out);
    });
  }

  absl::Status Remove(const std::string& id) {
    pb::DeletePartitionRequest request;
    request.set_name(NameOf(id));
    request.set_allow_missing(true);
    google::protobuf::Empty out;
    return Ask({NameOf(id)}, kAbsent, [&] {
      return Call(stub_, &Stub::DeletePartition, request, &out);
    });
  }

  absl::Status Import(int n) {
    pb::ImportNumbersRequest request;
    request.set_parent(kTenant);
    std::string csv = "name,directory_number,description\n";
    std::vector<std::string> names;
    const std::string group = absl::StrCat(prefix_, "-g", n);
    for (int i = 0; i < kImported; ++i) {
      const std::string id = absl::StrCat(group, "-", i);
      absl::StrAppend(&csv, id, ",", 2'000'000'000'000 + NextNumber(),
                      ",imported\n");
      names.push_back(absl::StrCat(kTenant, "/lines/", id));
      journal_[names.back()].group = group;
    }
    request.set_csv(csv);
    pb::ImportNumbersResponse out;
    const absl::Status status = Ask(names, "imported", [&] {
      return Call(stub_, &Stub::ImportNumbers, request, &out);
    });
    if (status.ok() && out.result().created() != kImported) {
      return absl::InternalError("an import was refused: " +
                                 out.ShortDebugString());
    }
    return status;
  }

  absl::Status Apply(int n) {
    pb::ApplyChangesRequest request;
    request.set_parent(kTenant);
    std::vector<std::string> names;
    const std::string group = absl::StrCat(prefix_, "-g", n);
    for (int i = 0; i < kImported; ++i) {
      names.push_back(absl::StrCat(kTenant, "/lines/", group, "-", i));
      pb::Line& line = *request.add_changes()->mutable_create()->mutable_line();
      line.set_name(names.back());
      line.set_directory_number(absl::StrCat(2'000'000'000'000 + NextNumber()));
      line.set_description("imported");
      journal_[names.back()].group = group;
    }
    pb::ApplyChangesResponse out;
    const absl::Status status = Ask(names, "imported", [&] {
      return Call(stub_, &Stub::ApplyChanges, request, &out);
    });
    if (status.ok() && out.results_size() != kImported) {
      return absl::InternalError("an apply was refused: " +
                                 out.ShortDebugString());
    }
    return status;
  }

  // Of no other run either, as long as it makes less than 1000 in 1 ms.
  static int64_t NextNumber() {
    static std::atomic<int64_t> next =
        absl::ToUnixMillis(absl::Now()) % 1'000'000'000 * 1000;
    return next++;
  }

  Stub& stub_;
  const std::string prefix_;
  Journal journal_;
  std::vector<absl::Duration> latencies_;
  absl::Status error_;
  size_t written_ = 0;
};

int RunLoad(const Flags& flags) {
  constexpr int kClientsOfConnection = 32;
  std::vector<std::unique_ptr<Stub>> stubs;
  for (int i = 0; i < flags.clients; i += kClientsOfConnection) {
    stubs.push_back(Connect(flags));
  }
  pb::CreateTenantRequest tenant;
  tenant.set_tenant_id("soak");
  tenant.mutable_tenant()->add_domains("soak.test");
  pb::Tenant out;
  const absl::Status made = Call(*stubs[0], &Stub::CreateTenant, tenant, &out);
  if (!made.ok() && made.code() != absl::StatusCode::kAlreadyExists) {
    Die(made.ToString());
  }
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  const absl::Time start = absl::Now();
  const absl::Time end = start + absl::Seconds(flags.seconds);
  for (int i = 0; i < flags.clients; ++i) {
    clients.push_back(std::make_unique<Client>(
        *stubs[i / kClientsOfConnection], absl::StrCat(flags.prefix, "-", i)));
    threads.emplace_back([&client = *clients.back(), end] { client.Run(end); });
  }
  for (std::thread& thread : threads) thread.join();
  const double took = absl::ToDoubleSeconds(absl::Now() - start);
  std::vector<absl::Duration> latencies;
  size_t written = 0;
  int gone = 0;
  std::ofstream journal(flags.journal.empty() ? "/dev/null" : flags.journal);
  for (const auto& client : clients) {
    latencies.insert(latencies.end(), client->latencies().begin(),
                     client->latencies().end());
    written += client->resources_written();
    if (!client->error().ok()) {
      // The service is gone; anything else is no good load.
      if (client->error().code() != absl::StatusCode::kUnavailable) {
        Die(client->error().ToString());
      }
      ++gone;
    }
    for (const auto& [name, entry] : client->journal()) {
      journal << name << "\t" << entry.acknowledged << "\t" << entry.asked
              << "\t" << entry.group << "\n";
    }
  }
  journal.close();
  if (!journal.good()) Die("cannot write the journal");
  std::printf(
      "{\"writes\": %zu, \"resources\": %zu, \"seconds\": %.3f, "
      "\"writes_per_second\": %.0f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
      "\"clients_cut_off\": %d}\n",
      latencies.size(), written, took,
      static_cast<double>(latencies.size()) / took,
      PercentileMs(latencies, 0.5), PercentileMs(latencies, 0.99), gone);
  return 0;
}

// Name to description of all partitions and lines.
std::map<std::string, std::string> ReadAll(Stub& stub) {
  std::map<std::string, std::string> out;
  pb::ListPartitionsRequest partitions;
  partitions.set_parent(kTenant);
  partitions.set_page_size(1000);
  do {
    pb::ListPartitionsResponse page;
    const absl::Status status =
        Call(stub, &Stub::ListPartitions, partitions, &page);
    if (!status.ok()) Die(status.ToString());
    for (const auto& each : page.partitions()) {
      out[each.name()] = each.description();
    }
    partitions.set_page_token(page.next_page_token());
  } while (!partitions.page_token().empty());
  pb::ListLinesRequest lines;
  lines.set_parent(kTenant);
  lines.set_page_size(1000);
  do {
    pb::ListLinesResponse page;
    const absl::Status status = Call(stub, &Stub::ListLines, lines, &page);
    if (!status.ok()) Die(status.ToString());
    for (const auto& each : page.lines()) out[each.name()] = each.description();
    lines.set_page_token(page.next_page_token());
  } while (!lines.page_token().empty());
  return out;
}

int RunCheck(const Flags& flags) {
  const std::map<std::string, std::string> there = ReadAll(*Connect(flags));
  std::ifstream in(flags.journal);
  if (!in.good()) Die("cannot read " + flags.journal);
  int faults = 0;
  size_t checked = 0;
  std::map<std::string, std::pair<int, int>> groups;  // there, all
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    if (fields.size() != 4) Die("the journal is broken: " + line);
    const auto it = there.find(fields[0]);
    const std::string is = it == there.end() ? kAbsent : it->second;
    ++checked;
    if (is != fields[1] && (fields[2] == kNone || is != fields[2])) {
      std::fprintf(stderr, "%s is \"%s\", acknowledged \"%s\", asked \"%s\"\n",
                   fields[0].c_str(), is.c_str(), fields[1].c_str(),
                   fields[2].c_str());
      ++faults;
    }
    if (fields[3] != kNone) {
      groups[fields[3]].first += is == kAbsent ? 0 : 1;
      groups[fields[3]].second += 1;
    }
  }
  for (const auto& [group, counts] : groups) {
    if (counts.first != 0 && counts.first != counts.second) {
      std::fprintf(stderr, "import %s is there in part: %d of %d\n",
                   group.c_str(), counts.first, counts.second);
      ++faults;
    }
  }
  std::printf("{\"checked\": %zu, \"imports\": %zu, \"faults\": %d}\n", checked,
              groups.size(), faults);
  return faults == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sallyport::dialplan

int main(int argc, char** argv) {
  const sallyport::dialplan::Flags flags =
      sallyport::dialplan::ReadFlags(argc, argv);
  return flags.mode == "check" ? sallyport::dialplan::RunCheck(flags)
                               : sallyport::dialplan::RunLoad(flags);
}
