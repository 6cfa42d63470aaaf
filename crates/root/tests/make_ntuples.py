"""Makes the ntuples of tests/fixtures with ROOT: python make_ntuples.py

Python with ROOT 6.40 (root==0.1a12 from PyPI). The values are simple enough to check by hand; tests/ntuples.rs knows
them too. The keys of ntuples_split.root hold 700 bytes at most, so that its envelopes are spread over several.
"""

import pathlib

import ROOT

HERE = pathlib.Path(__file__).parent / "fixtures"

ROOT.gInterpreter.Declare(
    r"""
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RField.hxx>
#include <TFile.h>
#include <TVector3.h>
#include <array>
#include <bitset>
#include <optional>
#include <variant>

struct Base { int id = 0; float x = 0; };
struct Point : Base { float x = 0; std::vector<short> hits; };
enum class Colour : unsigned char { red = 1, green = 2, blue = 7 };

using ROOT::RNTupleModel;
using ROOT::RNTupleWriter;
using ROOT::RNTupleWriteOptions;
using ROOT::ENTupleColumnType;

std::string text(int i) { return i % 5 ? "row " + std::to_string(i) : ""; }

// One field of a number, stored in another type of column.
template <typename T>
std::shared_ptr<T> stored(RNTupleModel &model, const char *name, ENTupleColumnType type)
{
   auto field = std::make_unique<ROOT::RField<T>>(name);
   field->SetColumnRepresentatives({{type}});
   model.AddField(std::move(field));
   return model.GetDefaultEntry().GetPtr<T>(name);
}

RNTupleWriteOptions options(int compression)
{
   RNTupleWriteOptions options;
   options.SetCompression(compression);
   options.SetInitialUnzippedPageSize(64);
   options.SetMaxUnzippedPageSize(128);
   return options;
}

void shapes(TDirectory &file, const char *name, int compression)
{
   auto model = RNTupleModel::Create();
   model->SetDescription("shapes of fields");
   auto flag = model->MakeField<bool>("flag");
   auto letter = model->MakeField<char>("letter");
   auto byte = model->MakeField<std::byte>("byte");
   auto i1 = model->MakeField<std::int8_t>("i1");
   auto u1 = model->MakeField<std::uint8_t>("u1");
   auto i2 = model->MakeField<std::int16_t>("i2");
   auto u2 = model->MakeField<std::uint16_t>("u2");
   auto i4 = model->MakeField<std::int32_t>("i4");
   auto u4 = model->MakeField<std::uint32_t>("u4");
   auto i8 = model->MakeField<std::int64_t>("i8");
   auto u8 = model->MakeField<std::uint64_t>("u8");
   auto f4 = model->MakeField<float>("f4");
   auto f8 = model->MakeField<double>("f8");
   auto str = model->MakeField<std::string>("text");
   auto vec = model->MakeField<std::vector<std::vector<float>>>("nested");
   auto rvec = model->MakeField<ROOT::RVec<int>>("rvec");
   auto array = model->MakeField<std::array<std::array<int, 3>, 2>>("matrix");
   auto strings = model->MakeField<std::vector<std::string>>("texts");
   auto pair = model->MakeField<std::pair<int, std::string>>("pair");
   auto pairs = model->MakeField<std::vector<std::pair<std::string, int>>>("pairs");
   auto tuple = model->MakeField<std::tuple<int, float, bool>>("tuple");
   auto opt = model->MakeField<std::optional<float>>("maybe");
   auto ptr = model->MakeField<std::unique_ptr<std::string>>("pointer");
   auto opts = model->MakeField<std::vector<std::optional<int>>>("maybes");
   auto var = model->MakeField<std::variant<int, std::string, std::vector<float>>>("variant");
   auto vars = model->MakeField<std::vector<std::variant<int, double>>>("variants");
   auto bits = model->MakeField<std::bitset<11>>("bits");
   auto atomic = model->MakeField<std::atomic<int>>("atomic");
   auto colour = model->MakeField<Colour>("colour");
   auto point = model->MakeField<Point>("point");
   auto points = model->MakeField<std::vector<Point>>("points");
   model->AddField(std::make_unique<ROOT::RStreamerField>("vector3", "TVector3"));
   auto object = model->GetDefaultEntry().GetPtr<TVector3>("vector3");
   // A view of another field's columns, and the number of its items.
   auto map_of = [](const std::string &) { return std::string("points"); };
   model->AddProjectedField(ROOT::RFieldBase::Create("n_points", "ROOT::RNTupleCardinality<std::uint32_t>").Unwrap(), map_of);
   auto ids = ROOT::RFieldBase::Create("point_hits", "std::vector<std::vector<short>>").Unwrap();
   model->AddProjectedField(std::move(ids), [](const std::string &name) {
      if (name == "point_hits") return std::string("points");
      if (name == "point_hits._0") return std::string("points._0.hits");
      return std::string("points._0.hits._0");
   });
   auto writer = RNTupleWriter::Append(std::move(model), name, file, options(compression));
   for (int i = 0; i < 50; ++i) {
      *flag = i % 3 == 0; *letter = 'a' + i % 26; *byte = std::byte(i * 5);
      *i1 = i - 25; *u1 = i * 5; *i2 = (i - 25) * 1000; *u2 = i * 1300; *i4 = (i - 25) * 50000000; *u4 = i * 80000000u;
      *i8 = (i - 25) * 100000000000000000ll; *u8 = i * 300000000000000000ull; *f4 = i * 0.5f; *f8 = i * 0.125;
      *str = text(i);
      vec->clear(); rvec->clear(); strings->clear(); pairs->clear(); opts->clear(); vars->clear();
      points->clear();
      for (int k = 0; k < i % 4; ++k) {
         vec->push_back(std::vector<float>(k, i + k));
         rvec->push_back(i * 10 + k);
         strings->push_back(text(i + k));
         pairs->emplace_back(text(k + 1), i + k);
         if (k % 2) opts->push_back(i); else opts->push_back(std::nullopt);
         if (k % 2) vars->push_back(i); else vars->push_back(i * 0.5);
         Point p; p.id = k; p.Base::x = i; p.x = -i; p.hits.assign(k, short(i)); points->push_back(p);
      }
      for (int k = 0; k < 6; ++k) (*array)[k / 3][k % 3] = i * 6 + k;
      *pair = {i, text(i)}; *tuple = {i, i * 0.5f, i % 2 == 0};
      if (i % 3) *opt = i * 0.25f; else opt->reset();
      if (i % 4) *ptr = std::make_unique<std::string>(text(i)); else ptr->reset();
      if (i % 3 == 0) *var = i; else if (i % 3 == 1) *var = text(i); else *var = std::vector<float>(i % 5, i);
      *bits = std::bitset<11>(i * 37); *atomic = i - 7; *colour = i % 2 ? Colour::red : Colour::blue;
      point->id = i; point->Base::x = i * 2; point->x = i * 3; point->hits.assign(i % 3, short(-i));
      object->SetXYZ(i, 0, 0);
      writer->Fill();
      if (i == 19) writer->CommitCluster();
      if (i == 34) writer->CommitCluster(true);
   }
}

void columns(TFile &file)
{
   using T = ENTupleColumnType;
   auto model = RNTupleModel::Create();
   std::vector<std::shared_ptr<float>> floats;
   for (auto [name, type] : std::vector<std::pair<const char *, T>>{{"half", T::kReal16}, {"real32", T::kReal32}, {"split32", T::kSplitReal32}})
      floats.push_back(stored<float>(*model, name, type));
   std::vector<std::shared_ptr<double>> doubles;
   for (auto [name, type] : std::vector<std::pair<const char *, T>>{{"double_half", T::kReal16}, {"double_real32", T::kReal32}, {"double_split32", T::kSplitReal32}, {"real64", T::kReal64}, {"split64", T::kSplitReal64}})
      doubles.push_back(stored<double>(*model, name, type));
   for (int bits : {10, 19, 31}) {
      auto field = std::make_unique<ROOT::RField<float>>("trunc" + std::to_string(bits));
      field->SetTruncated(bits);
      auto name = field->GetFieldName();
      model->AddField(std::move(field));
      floats.push_back(model->GetDefaultEntry().GetPtr<float>(name));
   }
   for (int bits : {1, 7, 20, 32}) {
      auto field = std::make_unique<ROOT::RField<float>>("quant" + std::to_string(bits));
      field->SetQuantized(bits, {-8, 56});
      auto name = field->GetFieldName();
      model->AddField(std::move(field));
      floats.push_back(model->GetDefaultEntry().GetPtr<float>(name));
   }
   auto field = std::make_unique<ROOT::RField<double>>("double_quant12");
   field->SetQuantized(12, {-8, 56});
   model->AddField(std::move(field));
   doubles.push_back(model->GetDefaultEntry().GetPtr<double>("double_quant12"));
   std::vector<std::shared_ptr<std::vector<float>>> lists;
   for (auto [name, type] : std::vector<std::pair<const char *, T>>{{"index32", T::kIndex32}, {"index64", T::kIndex64}, {"split_index32", T::kSplitIndex32}, {"split_index64", T::kSplitIndex64}}) {
      auto field = std::make_unique<ROOT::RField<std::vector<float>>>(name);
      field->SetColumnRepresentatives({{type}});
      model->AddField(std::move(field));
      lists.push_back(model->GetDefaultEntry().GetPtr<std::vector<float>>(name));
   }
   auto i2 = stored<std::int16_t>(*model, "plain_i2", T::kInt16);
   auto i4 = stored<std::int32_t>(*model, "plain_i4", T::kInt32);
   auto i8 = stored<std::int64_t>(*model, "plain_i8", T::kInt64);
   auto u2 = stored<std::uint16_t>(*model, "plain_u2", T::kUInt16);
   auto u4 = stored<std::uint32_t>(*model, "plain_u4", T::kUInt32);
   auto u8 = stored<std::uint64_t>(*model, "plain_u8", T::kUInt64);
   auto writer = RNTupleWriter::Append(std::move(model), "columns", file, options(505));
   for (int i = 0; i < 50; ++i) {
      for (auto &x : floats) *x = i - 5.25f;
      for (auto &x : doubles) *x = i - 5.25;
      for (auto &list : lists) list->assign(i % 4, i);
      *i2 = i - 25; *i4 = i - 25; *i8 = i - 25; *u2 = i; *u4 = i; *u8 = i;
      writer->Fill();
      if (i == 19) writer->CommitCluster();
   }
}

// Fields that are added after 20 of 50 entries, within the second cluster.
void late(TFile &file)
{
   auto model = RNTupleModel::Create();
   auto x = model->MakeField<int>("x");
   auto writer = RNTupleWriter::Append(std::move(model), "late", file, options(505));
   for (int i = 0; i < 20; ++i) {
      *x = i;
      writer->Fill();
      if (i == 9) writer->CommitCluster();
   }
   auto updater = writer->CreateModelUpdater();
   updater->BeginUpdate();
   auto y = updater->MakeField<float>("y");
   auto list = updater->MakeField<std::vector<int>>("list");
   auto str = updater->MakeField<std::string>("text");
   auto array = updater->MakeField<std::array<short, 2>>("pair");
   auto maybe = updater->MakeField<std::optional<int>>("maybe");
   auto var = updater->MakeField<std::variant<int, float>>("variant");
   auto bits = updater->MakeField<std::bitset<3>>("bits");
   updater->CommitUpdate();
   for (int i = 20; i < 50; ++i) {
      *x = i; *y = i * 0.5f; list->assign(i % 3, i); *str = text(i); *array = {short(i), short(-i)};
      if (i % 2) *maybe = i; else maybe->reset();
      if (i % 2) *var = i; else *var = i * 0.5f;
      *bits = std::bitset<3>(i);
      writer->Fill();
      if (i == 34) writer->CommitCluster(true);
   }
}

void split(const char *path)
{
   auto model = RNTupleModel::Create();
   std::vector<std::shared_ptr<int>> fields;
   for (int k = 0; k < 40; ++k) fields.push_back(model->MakeField<int>("field" + std::to_string(k)));
   auto opts = options(0);
   ROOT::Internal::RNTupleWriteOptionsManip::SetMaxKeySize(opts, 700);
   auto writer = RNTupleWriter::Recreate(std::move(model), "split", path, opts);
   for (int i = 0; i < 30; ++i) {
      for (int k = 0; k < 40; ++k) *fields[k] = i * 100 + k;
      writer->Fill();
   }
}
"""
)


def main():
    HERE.mkdir(exist_ok=True)
    file = ROOT.TFile(str(HERE / "ntuples.root"), "RECREATE", "", 505)
    ROOT.shapes(file, "shapes", 505)
    ROOT.columns(file)
    ROOT.late(file)
    file.Close()
    file = ROOT.TFile(str(HERE / "ntuples_plain.root"), "RECREATE", "", 0)
    directory = file.mkdir("dir")
    ROOT.shapes(directory, "shapes", 0)
    file.Close()
    ROOT.split(str(HERE / "ntuples_split.root"))


main()
