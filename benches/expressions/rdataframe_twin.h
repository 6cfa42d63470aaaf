// What the queries need beyond one line of RDataFrame.
#include <Math/Vector4D.h>
#include <ROOT/RVec.hxx>
#include <cmath>
#include <utility>

using ROOT::RVec;
using Vectors = const RVec<float> &;
using Charges = const RVec<int> &;
using P4 = ROOT::Math::PtEtaPhiMVector;
using XYZT = ROOT::Math::PxPyPzEVector;

RVec<XYZT> cartesian(Vectors pt, Vectors eta, Vectors phi, Vectors mass) {
   RVec<XYZT> vectors;
   vectors.reserve(pt.size());
   for (std::size_t i = 0; i < pt.size(); ++i)
      vectors.emplace_back(P4(pt[i], eta[i], phi[i], mass[i]));
   return vectors;
}

bool has_pair(Vectors pt, Vectors eta, Vectors phi, Vectors mass, Charges charge) {
   for (std::size_t i = 0; i < pt.size(); ++i)
      for (std::size_t j = i + 1; j < pt.size(); ++j)
         if (charge[i] != charge[j]) {
            const auto m = (P4(pt[i], eta[i], phi[i], mass[i]) + P4(pt[j], eta[j], phi[j], mass[j])).M();
            if (m > 60 && m < 120)
               return true;
         }
   return false;
}

RVec<std::size_t> best_trijet(Vectors pt, Vectors eta, Vectors phi, Vectors mass) {
   const auto jets = cartesian(pt, eta, phi, mass);
   double best = INFINITY;
   RVec<std::size_t> found{0, 1, 2};
   for (std::size_t i = 0; i < jets.size(); ++i)
      for (std::size_t j = i + 1; j < jets.size(); ++j)
         for (std::size_t k = j + 1; k < jets.size(); ++k) {
            const auto distance = std::abs((jets[i] + jets[j] + jets[k]).M() - 172.5);
            if (distance < best) {
               best = distance;
               found = {i, j, k};
            }
         }
   return found;
}

double trijet_pt(Vectors pt, Vectors eta, Vectors phi, Vectors mass, const RVec<std::size_t> &best) {
   XYZT sum;
   for (const auto i : best)
      sum += XYZT(P4(pt[i], eta[i], phi[i], mass[i]));
   return sum.Pt();
}

double isolated_sum(Vectors pt, Vectors eta, Vectors phi, Vectors ept, Vectors eeta, Vectors ephi, Vectors mpt, Vectors meta,
                    Vectors mphi) {
   const auto near = [&](std::size_t i, Vectors lpt, Vectors leta, Vectors lphi) {
      for (std::size_t j = 0; j < lpt.size(); ++j)
         if (lpt[j] > 10 && ROOT::VecOps::DeltaR<double>(eta[i], leta[j], phi[i], lphi[j]) < 0.4)
            return true;
      return false;
   };
   double sum = 0;
   for (std::size_t i = 0; i < pt.size(); ++i)
      if (pt[i] > 30 && !near(i, ept, eeta, ephi) && !near(i, mpt, meta, mphi))
         sum += pt[i];
   return sum;
}

// Transverse momentum and azimuth of the leading lepton outside of the pair; -1 where there is no pair.
std::pair<double, double> other_lepton(Vectors ept, Vectors eeta, Vectors ephi, Vectors emass, Charges echarge, Vectors mpt,
                                       Vectors meta, Vectors mphi, Vectors mmass, Charges mcharge) {
   using ROOT::VecOps::Concatenate;
   const auto pt = Concatenate(ept, mpt), phi = Concatenate(ephi, mphi);
   const auto charge = Concatenate(echarge, mcharge);
   const auto leptons = cartesian(pt, Concatenate(eeta, meta), phi, Concatenate(emass, mmass));
   double best = INFINITY;
   std::size_t one = 0, two = 0;
   for (std::size_t i = 0; i < pt.size(); ++i)
      for (std::size_t j = i + 1; j < pt.size(); ++j)
         if (charge[i] != charge[j] && (i < ept.size()) == (j < ept.size())) {
            const auto distance = std::abs((leptons[i] + leptons[j]).M() - 91.2);
            if (distance < best) {
               best = distance;
               one = i;
               two = j;
            }
         }
   std::pair<double, double> leading{-1, 0};
   if (one != two)
      for (std::size_t i = 0; i < pt.size(); ++i)
         if (i != one && i != two && pt[i] > leading.first)
            leading = {pt[i], phi[i]};
   return leading;
}
