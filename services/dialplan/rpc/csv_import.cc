#include "services/dialplan/rpc/csv_import.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/field_mask.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/status/error_reason.h"
#include "services/dialplan/core/csv_reader.h"
#include "services/dialplan/rpc/csv_column.h"
#include "services/dialplan/rpc/resource_codec.h"
#include "services/dialplan/rpc/resource_merge.h"
#include "services/dialplan/rpc/resource_shape.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldMask;
using google::protobuf::Message;

// More violations than these are counted, not listed: they must fit an answer.
constexpr int kMaxViolations = 1000;
constexpr char kNameColumn[] = "name";
constexpr size_t kMaxId = 63;

// The field that a name is made of where no column gives it.
std::string_view NameSource(const ResourceKind& kind) {
  return kind.singular == "user" ? "username" : "directory_number";
}

// "ann-b" of "Ann.B", "12015550123" of "\+12015550123": an id, or empty.
std::string IdFrom(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      out += absl::ascii_tolower(static_cast<unsigned char>(c));
    } else if (!out.empty()) {
      out += '-';
    }
  }
  return out.size() > kMaxId ? "" : out;
}

// The columns of a table, in its order; null where it is that of the name.
using Columns = std::vector<std::unique_ptr<const CsvColumn>>;

// Thread-compatible.
class ImportReader {
 public:
  ImportReader(const ResourceKind& kind, const std::string& parent)
      : kind_(kind), parent_(parent) {}

  CsvImport Read(std::string_view csv) {
    CsvTable table = ReadCsv(csv, CsvLimits());
    import_.faults = std::move(table.faults);
    if (table.header.empty() || !ReadHeader(table.header)) {
      return std::move(import_);
    }
    for (CsvRow& row : table.rows) ReadRow(std::move(row));
    return std::move(import_);
  }

 private:
  void Add(std::string field, const absl::Status& status) {
    import_.faults.push_back(
        {std::move(field), ReasonOf(status),
         std::string(status.message().data(), status.message().size())});
  }

  bool ReadHeader(const std::vector<std::string>& header) {
    const size_t faults_before = import_.faults.size();
    auto columns = std::make_shared<Columns>();
    for (size_t i = 0; i < header.size(); ++i) {
      if (header[i] == NameSource(kind_)) source_column_ = i;
      if (header[i] == kNameColumn) {
        name_column_ = i;
        columns->push_back(nullptr);
        continue;
      }
      absl::StatusOr<CsvColumn> column =
          CsvColumn::Find(*kind_.field()->message_type(), header[i]);
      if (!column.ok()) {
        Add(CsvField(1, header[i]), column.status());
        continue;
      }
      columns->push_back(std::make_unique<CsvColumn>(*std::move(column)));
    }
    if (name_column_ == kNone && source_column_ == kNone) {
      import_.faults.push_back(
          {CsvField(1, NameSource(kind_)), "CSV_HEADER_INVALID",
           "is required where there is no column \"name\""});
    }
    columns_ = std::move(columns);
    return import_.faults.size() == faults_before;
  }

  // The resource's name in full, or what is wrong with it.
  std::string NameOf(const CsvRow& row, size_t faults_before) {
    const std::string prefix = kind_.Prefix(parent_);
    if (name_column_ != kNone && !row.cells[name_column_].empty()) {
      const std::string& cell = row.cells[name_column_];
      const std::string name =
          cell.find('/') == std::string::npos ? prefix + cell : cell;
      if (name.compare(0, prefix.size(), prefix) == 0 &&
          IsResourceId(name.substr(prefix.size()))) {
        return name;
      }
      import_.faults.push_back(
          {CsvField(row.number, kNameColumn), "NAME_INVALID",
           absl::StrCat("must be ", prefix,
                        "{id} or its id: 1 to 63 of a-z, 0-9, '-' and '_', "
                        "first a letter or digit")});
      return "";
    }
    const std::string id =
        source_column_ == kNone ? "" : IdFrom(row.cells[source_column_]);
    if (!id.empty()) return prefix + id;
    if (import_.faults.size() == faults_before) {
      import_.faults.push_back(
          {CsvField(row.number, NameSource(kind_)), "VALUE_REQUIRED",
           "is required, and must have a letter or digit, where no column "
           "\"name\" names the resource"});
    }
    return "";
  }

  void ReadRow(CsvRow row) {
    const size_t faults_before = import_.faults.size();
    const std::string name = NameOf(row, faults_before);
    // Once on nothing, to see whether each cell is a value of its field.
    pb::Resource scratch;
    Message& inner =
        *scratch.GetReflection()->MutableMessage(&scratch, kind_.field());
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const CsvColumn* const column = (*columns_)[i].get();
      if (column == nullptr) continue;
      const absl::Status set = column->Set(row.cells[i], parent_, inner);
      if (!set.ok()) Add(CsvField(row.number, column->path()), set);
    }
    if (!name.empty()) {
      const auto [it, is_new] = seen_.emplace(name, row.number);
      if (!is_new) {
        import_.faults.push_back(
            {CsvField(row.number, name_column_ == kNone
                                      ? NameSource(kind_)
                                      : std::string_view(kNameColumn)),
             "ROW_REPEATED",
             absl::StrCat("is ", name, ", and so is row ", it->second)});
      }
    }
    if (import_.faults.size() != faults_before) return;
    PlanEdit edit;
    edit.verb = PlanEdit::Verb::kUpdate;
    edit.allow_missing = true;
    edit.name = name;
    edit.make = [kind = &kind_, parent = parent_, name, columns = columns_,
                 cells = std::move(row.cells)](
                    const Plan& plan,
                    const PlanRecord* current) -> absl::StatusOr<PlanRecord> {
      pb::Resource resource;
      if (current != nullptr) resource = ResourceOf(*current);
      Message& inner =
          *resource.GetReflection()->MutableMessage(&resource, kind->field());
      for (size_t i = 0; i < cells.size(); ++i) {
        if ((*columns)[i] == nullptr) continue;
        const absl::Status set = (*columns)[i]->Set(cells[i], parent, inner);
        if (!set.ok()) return set;  // it was seen to be good
      }
      FieldMask all;
      all.add_paths("*");
      return MergedRecord(resource, name, all, current,
                          plan.Get<TenantEntry>(TenantOf(name)));
    };
    import_.edits.push_back(std::move(edit));
    import_.rows.push_back(row.number);
  }

  static constexpr size_t kNone = static_cast<size_t>(-1);

  const ResourceKind& kind_;
  const std::string parent_;
  std::shared_ptr<const Columns> columns_;
  size_t name_column_ = kNone;
  size_t source_column_ = kNone;
  std::map<std::string, size_t> seen_;
  CsvImport import_;
};

// 17 of "row[17].username"; 0 of "csv".
size_t RowOf(const std::string& field) {
  size_t out = 0;
  if (field.rfind("row[", 0) != 0) return 0;
  for (size_t i = 4; i < field.size() && field[i] != ']'; ++i) {
    out = out * 10 + static_cast<size_t>(field[i] - '0');
  }
  return out;
}

}  // namespace

CsvImport ReadImport(const ResourceKind& kind, const std::string& parent,
                     std::string_view csv) {
  return ImportReader(kind, parent).Read(csv);
}

PlanFaults FaultsOf(const ResourceKind& kind, const CsvImport& import,
                    const BatchAnswer& answer) {
  PlanFaults faults = import.faults;
  const std::string prefix = absl::StrCat(AbslView(kind.singular), ".");
  for (const BatchFault& found : answer.faults) {
    PlanFault fault = found.fault;
    if (fault.field.compare(0, prefix.size(), prefix) == 0) {
      fault.field.erase(0, prefix.size());
    }
    fault.field = CsvField(import.rows[found.edit], fault.field);
    faults.push_back(std::move(fault));
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const PlanFault& a, const PlanFault& b) {
                     return RowOf(a.field) < RowOf(b.field);
                   });
  return faults;
}

pb::ImportResult ImportResultOf(const PlanFaults& faults,
                                const BatchAnswer& answer) {
  pb::ImportResult out;
  for (const PlanFault& fault : faults) {
    auto& violation = *out.add_violations();
    if (out.violations_size() > kMaxViolations) {
      violation.set_field("csv");
      violation.set_description(
          absl::StrCat("has ", faults.size() - kMaxViolations, " more faults"));
      break;
    }
    violation.set_field(fault.field);
    violation.set_description(
        absl::StrCat(fault.reason, ": ", fault.description));
  }
  if (!faults.empty()) return out;
  out.set_created(static_cast<uint32_t>(answer.created));
  out.set_updated(static_cast<uint32_t>(answer.updated));
  out.set_unchanged(static_cast<uint32_t>(answer.unchanged));
  return out;
}

}  // namespace sallyport::dialplan
