//! The layouts of histograms and their like, for files that carry none.

use std::sync::OnceLock;

use crate::objects::classes::{Class, Classes, Element, Kind};
use crate::objects::stl;
use crate::prim::Prim;

pub(crate) fn classes() -> &'static Classes {
    static CLASSES: OnceLock<Classes> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let mut classes = Classes::default();
        for line in LAYOUTS.lines().filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
            let elements = words.filter_map(element).collect();
            // Nothing is looked up here by its checksum.
            classes.insert(version.parse().unwrap_or(0), 0, Class { name: name.into(), elements });
        }
        classes
    })
}

/// "name" for a base class, "name:type" for a member, "name:type[count]" for an array.
fn element(word: &str) -> Option<Element> {
    let Some((name, kind)) = word.split_once(':').filter(|(_, kind)| !kind.starts_with(':')) else {
        return Some(Element { name: word.into(), kind: Kind::Base(word.into()) });
    };
    let kind = match kind.strip_suffix(']').and_then(|kind| kind.split_once('[')) {
        Some((number, count)) => Kind::Counted(Prim::from_name(number)?, count.into()),
        None if kind == "pointer" => Kind::Pointer,
        None => match (Prim::from_name(kind), stl::parse(kind)) {
            (Some(number), _) => Kind::Number(number),
            (None, Some(stl)) => Kind::Stl(stl),
            (None, None) => Kind::Object(kind.into()),
        },
    };
    Some(Element { name: name.into(), kind })
}

/// class, version, base classes and members: the versions of ROOT 6, and those of ROOT 5 where they are known. An `int`
/// stands for an enumeration too.
const LAYOUTS: &str = "
TNamed 1 TObject fName:TString fTitle:TString
TObjString 1 TObject fString:TString
TAttLine 2 fLineColor:short fLineStyle:short fLineWidth:short
TAttFill 2 fFillColor:short fFillStyle:short
TAttMarker 2 fMarkerColor:short fMarkerStyle:short fMarkerSize:float
TAttAxis 4 fNdivisions:int fAxisColor:short fLabelColor:short fLabelFont:short fLabelOffset:float fLabelSize:float fTickLength:float fTitleOffset:float fTitleSize:float fTitleColor:short fTitleFont:short
TAtt3D 1
TAxis 9 TNamed TAttAxis fNbins:int fXmin:double fXmax:double fXbins:TArrayD fFirst:int fLast:int fBits2:uint16_t fTimeDisplay:bool fTimeFormat:TString fLabels:pointer
TAxis 10 TNamed TAttAxis fNbins:int fXmin:double fXmax:double fXbins:TArrayD fFirst:int fLast:int fBits2:uint16_t fTimeDisplay:bool fTimeFormat:TString fLabels:pointer fModLabs:pointer
TH1 6 TNamed TAttLine TAttFill TAttMarker fNcells:int fXaxis:TAxis fYaxis:TAxis fZaxis:TAxis fBarOffset:short fBarWidth:short fEntries:double fTsumw:double fTsumw2:double fTsumwx:double fTsumwx2:double fMaximum:double fMinimum:double fNormFactor:double fContour:TArrayD fSumw2:TArrayD fOption:TString fFunctions:TList fBufferSize:int fBuffer:double[fBufferSize]
TH1 7 TNamed TAttLine TAttFill TAttMarker fNcells:int fXaxis:TAxis fYaxis:TAxis fZaxis:TAxis fBarOffset:short fBarWidth:short fEntries:double fTsumw:double fTsumw2:double fTsumwx:double fTsumwx2:double fMaximum:double fMinimum:double fNormFactor:double fContour:TArrayD fSumw2:TArrayD fOption:TString fFunctions:TList fBufferSize:int fBuffer:double[fBufferSize] fBinStatErrOpt:int
TH1 8 TNamed TAttLine TAttFill TAttMarker fNcells:int fXaxis:TAxis fYaxis:TAxis fZaxis:TAxis fBarOffset:short fBarWidth:short fEntries:double fTsumw:double fTsumw2:double fTsumwx:double fTsumwx2:double fMaximum:double fMinimum:double fNormFactor:double fContour:TArrayD fSumw2:TArrayD fOption:TString fFunctions:TList fBufferSize:int fBuffer:double[fBufferSize] fBinStatErrOpt:int fStatOverflows:int
TH2 5 TH1 fScalefactor:double fTsumwy:double fTsumwy2:double fTsumwxy:double
TH3 6 TH1 TAtt3D fTsumwy:double fTsumwy2:double fTsumwxy:double fTsumwz:double fTsumwz2:double fTsumwxz:double fTsumwyz:double
TH1C 3 TH1 TArrayC
TH1S 3 TH1 TArrayS
TH1I 3 TH1 TArrayI
TH1L 0 TH1 TArrayL64
TH1F 3 TH1 TArrayF
TH1D 3 TH1 TArrayD
TH2C 4 TH2 TArrayC
TH2S 4 TH2 TArrayS
TH2I 4 TH2 TArrayI
TH2L 0 TH2 TArrayL64
TH2F 4 TH2 TArrayF
TH2D 4 TH2 TArrayD
TH3C 4 TH3 TArrayC
TH3S 4 TH3 TArrayS
TH3I 4 TH3 TArrayI
TH3L 0 TH3 TArrayL64
TH3F 4 TH3 TArrayF
TH3D 4 TH3 TArrayD
TProfile 7 TH1D fBinEntries:TArrayD fErrorMode:int fYmin:double fYmax:double fTsumwy:double fTsumwy2:double fBinSumw2:TArrayD
TProfile2D 8 TH2D fBinEntries:TArrayD fErrorMode:int fZmin:double fZmax:double fTsumwz:double fTsumwz2:double fBinSumw2:TArrayD
TProfile3D 8 TH3D fBinEntries:TArrayD fErrorMode:int fTmin:double fTmax:double fTsumwt:double fTsumwt2:double fBinSumw2:TArrayD
TGraph 4 TNamed TAttLine TAttFill TAttMarker fNpoints:int fX:double[fNpoints] fY:double[fNpoints] fFunctions:pointer fHistogram:pointer fMinimum:double fMaximum:double
TGraph 5 TNamed TAttLine TAttFill TAttMarker fNpoints:int fX:double[fNpoints] fY:double[fNpoints] fFunctions:pointer fHistogram:pointer fMinimum:double fMaximum:double fOption:TString
TGraphErrors 3 TGraph fEX:double[fNpoints] fEY:double[fNpoints]
TGraphAsymmErrors 3 TGraph fEXlow:double[fNpoints] fEXhigh:double[fNpoints] fEYlow:double[fNpoints] fEYhigh:double[fNpoints]
TEfficiency 2 TNamed TAttLine TAttFill TAttMarker fBeta_alpha:double fBeta_beta:double fBeta_bin_params:vector<pair<double,double>> fConfLevel:double fFunctions:TList fPassedHistogram:pointer fStatisticOption:int fTotalHistogram:pointer fWeight:double
TParameter<double> 2 TObject fName:TString fVal:double
TParameter<float> 2 TObject fName:TString fVal:float
TParameter<int> 2 TObject fName:TString fVal:int
TParameter<Long64_t> 2 TObject fName:TString fVal:int64_t
TParameter<bool> 2 TObject fName:TString fVal:bool
";
